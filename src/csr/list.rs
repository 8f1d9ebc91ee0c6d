//! A list read item by item, keeping nothing of other requestors.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Listing;
use super::wire::Wire;

/// A kubelet makes one request in 15 minutes while no one decides and one in 32 seconds while they are denied, and they are
/// kept for a day and an hour (kubelet-facts, 3 and 4): some two hundred.
pub(super) const MOST_OF_ONE_NODE: usize = 10_000;

/// More requests of one node than its kubelet makes.
#[derive(Debug, thiserror::Error)]
#[error("the list has more requests of one node than a kubelet makes")]
pub struct TooMany;

pub(super) struct ListSeed<'a> {
    pub(super) requestor: &'a str,
    pub(super) after_item: &'a dyn Fn(),
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = (Listing, String);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = (Listing, String);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CertificateSigningRequestList")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut listing = Listing::default();
        let mut next = String::new();
        let mut has_items = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metadata" => {
                    let meta = map.next_value::<ListMeta>()?;
                    next = meta.continue_.unwrap_or_default();
                    listing.resource_version = meta.resource_version.unwrap_or_default();
                }
                "items" => {
                    has_items = true;
                    map.next_value_seed(ItemsSeed {
                        list: &self,
                        listing: &mut listing,
                    })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if has_items {
            Ok((listing, next))
        } else {
            Err(serde::de::Error::missing_field("items"))
        }
    }
}

struct ItemsSeed<'a, 'b> {
    list: &'a ListSeed<'b>,
    listing: &'a mut Listing,
}

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of CertificateSigningRequests")
    }

    // Go writes a nil slice as null.
    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Wire>()? {
            if item.spec.username.as_deref() == Some(self.list.requestor) {
                if let Some(request) = item.into_kubelet_serving() {
                    self.listing.add(request);
                }
                if self.listing.known.len() > MOST_OF_ONE_NODE {
                    return Err(serde::de::Error::custom(TooMany));
                }
            } else {
                let (pending, approved) = &mut self.listing.others;
                match item.decision() {
                    Some(true) => *approved += 1,
                    Some(false) => {}
                    None => *pending += 1,
                }
            }
            (self.list.after_item)();
        }
        Ok(())
    }
}
