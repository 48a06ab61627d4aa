"""What LiteLLM else looks for on the network while it is imported comes from its package."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"
os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "true"
