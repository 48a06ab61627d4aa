from typing import Any

import makejinja


class Plugin(makejinja.plugin.Plugin):
    def __init__(self, data: dict[str, Any]):
        self._data = data

    def data(self) -> makejinja.plugin.Data:
        data = self._data

        domains = data.get("cloudflare_domains", [])
        data["primary_domain"] = domains[0] if domains else ""
        data.setdefault("repository_branch", "main")

        # Proxmox CCM/CSI defaults
        data.setdefault("proxmox_region", "talos-k8s")
        data.setdefault("proxmox_storage", "local-lvm")

        return data
