//! Listeners, TLS, HTTP/1 and HTTP/2 server and client, connection pools, drain. No LLM word in it.
