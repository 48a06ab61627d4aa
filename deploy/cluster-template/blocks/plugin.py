        # Envoy AI Gateway defaults
        import hashlib

        data.setdefault("ai_gateway_enabled", False)
        data.setdefault("ai_gateway_version", "v0.4.0")
        # The folder under kubernetes/apps has this name too, since the bootstrap makes a namespace of each folder
        data.setdefault("ai_gateway_namespace", "envoy-ai-gateway-system")
        # The address of the internal gateway stands for "no load balancer of its own"
        data.setdefault("ai_gateway_addr", data.get("cluster_gateway_addr", ""))
        data.setdefault("ai_gateway_azure_deployments", [])
        data.setdefault("ai_gateway_mcp_enabled", False)
        data.setdefault("ai_gateway_mcp_servers", [])
        # Without one of its own, as secret as the keys that it is made of
        keys = [one.get("api_key") for name in ("azure_deployments", "mcp_servers") for one in data[f"ai_gateway_{name}"]]
        data.setdefault("ai_gateway_mcp_seed", hashlib.sha256(repr(keys).encode()).hexdigest())
        data.setdefault("ai_gateway_ratelimit_enabled", False)
        data.setdefault("ai_gateway_ratelimit_default_limit", 100000)
        data.setdefault("ai_gateway_users", [])
        data.setdefault("ai_gateway_jwt", {})
