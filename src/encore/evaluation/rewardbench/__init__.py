"""RewardBench's and RewardBench 2's safety sections: texts, scores, published figures."""
