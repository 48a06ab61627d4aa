//! LLM providers to rehearse against: dialects, usage, delays and errors on demand.
