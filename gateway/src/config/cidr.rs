//! Networks in CIDR notation, for the list of trusted proxies.

use std::net::IpAddr;

/// An address, or a network such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads an address or a network.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Network, String> {
        let wrong = || format!("'{text}' is neither an IP address nor a network: write 10.1.2.3 or 10.0.0.0/8");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.trim().parse::<u32>().map_err(|_| wrong()))?;
        if prefix > longest {
            return Err(wrong());
        }
        Ok(Network { address, prefix })
    }

    /// Whether the address is in the network. An IPv4 address that arrives in its IPv6 form counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                shifted(u32::from(own).into(), 32, self.prefix) == shifted(u32::from(other).into(), 32, self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => shifted(own.into(), 128, self.prefix) == shifted(other.into(), 128, self.prefix),
            _ => false,
        }
    }
}

/// The first `prefix` of `width` bits.
fn shifted(bits: u128, width: u32, prefix: u32) -> u128 {
    bits.checked_shr(width - prefix).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let contains = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.200.3.4") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("0.0.0.0/0", "8.8.8.8") && contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "fe80::1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
        for bad in ["10.0.0.0/33", "proxy", "10.0.0/8", "10.0.0.0/x"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }
}
