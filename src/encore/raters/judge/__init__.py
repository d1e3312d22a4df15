"""An LLM as the judge: prompts, the endpoint, the order of calls, and answers read as ratings."""
