use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Rules, Validate, text};
use crate::kinds::{AddressType, ConfigMapData, EndpointSlice, Namespace, Service};

impl Validate for ConfigMapData {
    fn validate(&self, _: &mut Rules) {}
}

impl Validate for Namespace {
    fn validate(&self, _: &mut Rules) {}
}

impl Validate for Service {
    fn validate(&self, rules: &mut Rules) {
        rules.each("ports", &self.ports, |rules, port| rules.port("port", Some(port.port)));
        let external = self.service_type.as_deref() == Some("ExternalName");
        let message = "a Service of type ExternalName needs `externalName`";
        rules.demand(!external || self.external_name.is_some(), "missing-field", ("externalName", message));
        if self.ports.len() > 1 {
            rules.each("ports", &self.ports, |rules, port| {
                let message = "a Service with several ports names each of them";
                rules.demand(port.name.is_some(), "missing-field", ("name", message));
            });
        }
    }
}

impl Validate for EndpointSlice {
    fn validate(&self, rules: &mut Rules) {
        let Self { address_type, endpoints, ports } = self;
        rules.count("endpoints", endpoints.len(), 0..=1000);
        rules.count("ports", ports.len(), 0..=100);
        rules.each("ports", ports, |rules, port| rules.port("port", port.port));
        rules.each("endpoints", endpoints, |rules, endpoint| {
            rules.count("addresses", endpoint.addresses.len(), 1..=100);
            rules.each("addresses", &endpoint.addresses, |rules, address| {
                let (holds, expected) = match address_type {
                    AddressType::IPv4 => (address.parse::<Ipv4Addr>().is_ok(), "an IPv4 address"),
                    AddressType::IPv6 => (address.parse::<Ipv6Addr>().is_ok(), "an IPv6 address"),
                    AddressType::Fqdn => (text::is_subdomain(address), "a host name"),
                };
                rules.form("invalid-address", ("", address), (holds, expected));
            });
        });
    }
}
