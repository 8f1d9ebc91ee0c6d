//! The inventory of the cluster, read once.

use std::time::Instant;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use serde::de::DeserializeOwned;

use super::Admin;
use super::error::existing;
use super::facts::{Fact, FactError, Malformed, endpoint_ips, node_facts, service_facts};
use super::kubeadm::{kubeadm_facts, names_of_address};
use super::nodes::NODES;
use super::presented::resolve;
use crate::approval::{Inventory, Networks, parse_ip, parse_network};
use crate::text::quoted;
use crate::x509::Names;

/// Where the API has Services.
pub(crate) const SERVICES: &str = "/api/v1/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
/// In every version, if deprecated since 1.33.
const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints/kubernetes";
const KUBEADM: &str = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";
const SERVICE_CIDRS: &str = "/apis/networking.k8s.io/v1/servicecidrs";

impl Admin {
    /// Reads all that judgements rest on; `given` are the networks of `--service-cidr` and `--pod-cidr`. To be called after the requests were read, so that a Node that registers
    /// meanwhile keeps its name and address. What an administrator should know goes to `warn`.
    ///
    /// # Errors
    /// The first fact that is unknown.
    pub fn inventory(
        &self,
        given: &Networks,
        warn: &mut dyn FnMut(String),
        end: Instant,
    ) -> Result<Inventory, FactError> {
        let mut inventory = Inventory::default();
        let nodes = self.facts(Fact::Nodes, NODES, node_facts, end)?;
        nodes.into_iter().for_each(|node| inventory.put_node(node));
        let services = self.facts(Fact::Services, SERVICES, service_facts, end)?;
        services
            .into_iter()
            .for_each(|service| inventory.put_service(service));
        inventory.replace_cluster(self.cluster_facts(given, warn, end)?);
        Ok(inventory)
    }

    /// Reads what judgements rest on beside Nodes and Services: the API server's names and addresses, and the networks.
    ///
    /// # Errors
    /// The first fact that is unknown.
    pub fn cluster_facts(
        &self,
        given: &Networks,
        warn: &mut dyn FnMut(String),
        end: Instant,
    ) -> Result<Inventory, FactError> {
        let mut inventory = Inventory::default();
        self.add_endpoints(&mut inventory, end)?;
        self.add_networks(&mut inventory, given, warn, end)?;
        let server = names_of_address(self.0.server_host());
        if !self.0.is_proxied() {
            self.add_resolved(&mut inventory, &server, end)?;
        }
        inventory.replace_api_server("kubeconfig", server);
        inventory.replace_api_server("certificate", self.presented_names(end)?);
        Ok(inventory)
    }

    /// Reads a list, page by page, and keeps the facts of each object alone.
    fn facts<T: DeserializeOwned, F>(
        &self,
        fact: Fact,
        path: &str,
        read: fn(&T) -> Result<F, Malformed>,
        end: Instant,
    ) -> Result<Vec<F>, FactError> {
        let take = |(facts, malformed): &mut (Vec<F>, Option<_>), object: T| match read(&object) {
            Ok(one) => facts.push(one),
            Err(wrong) => drop(malformed.get_or_insert(wrong)),
        };
        let (facts, malformed) = self
            .list(path, take, end)
            .map_err(|error| FactError::Api(fact, error))?;
        match malformed {
            None => Ok(facts),
            Some(malformed) => Err(FactError::Object(malformed)),
        }
    }

    /// Where the instances of the API server listen.
    fn add_endpoints(&self, inventory: &mut Inventory, end: Instant) -> Result<(), FactError> {
        let slices = existing(self.list(SLICES, Vec::<EndpointSlice>::push, end));
        match slices.map_err(|error| FactError::Api(Fact::EndpointSlices, error))? {
            Some(slices) => {
                for slice in &slices {
                    let name = slice.metadata.name.as_deref().unwrap_or_default();
                    inventory.replace_endpoints(name, endpoint_ips(slice));
                }
            }
            None => {
                let endpoints: Endpoints = self.object(ENDPOINTS, Fact::Endpoints, end)?;
                let subsets = endpoints.subsets.unwrap_or_default().into_iter();
                let all = subsets
                    .flat_map(|subset| [subset.addresses, subset.not_ready_addresses])
                    .flatten()
                    .flatten();
                let ips = all.filter_map(|address| parse_ip(&address.ip)).collect();
                inventory.replace_endpoints("kubernetes", ips);
            }
        }
        let is_known = inventory.knows_endpoints();
        is_known.then_some(()).ok_or(FactError::NoEndpoints)
    }

    /// The Service and pod subnets, and what kubeadm says of the API server.
    fn add_networks(
        &self,
        inventory: &mut Inventory,
        given: &Networks,
        warn: &mut dyn FnMut(String),
        end: Instant,
    ) -> Result<(), FactError> {
        let was_given = !given.services.is_empty() && !given.pods.is_empty();
        inventory.replace_networks("options", given.clone());
        let fact = Fact::KubeadmConfig;
        match self.object::<ConfigMap>(KUBEADM, fact, end) {
            Ok(map) => {
                let kubeadm = kubeadm_facts(&map)?;
                self.add_resolved(inventory, &kubeadm.endpoint, end)?;
                inventory.replace_networks("kubeadm-config", kubeadm.networks);
                inventory.replace_api_server("kubeadm-config", kubeadm.api_server);
            }
            Err(FactError::Api(_, error)) if error.is_not_found() => {
                let (services, source) = if was_given {
                    (Vec::new(), "--service-cidr and --pod-cidr")
                } else {
                    (self.service_cidrs(end)?, "the ServiceCIDR objects")
                };
                let networks = Networks {
                    services,
                    ..Networks::default()
                };
                inventory.replace_networks("servicecidrs", networks);
                warn(format!(
                    "configmap/kube-system/kubeadm-config does not exist; the subnets are those of {source}, and a control \
                     plane endpoint that only that ConfigMap would name is unknown"
                ));
            }
            Err(error) => return Err(error),
        }
        let is_known = inventory.knows_service_networks();
        is_known.then_some(()).ok_or(FactError::NoNetworks)
    }

    fn service_cidrs(&self, end: Instant) -> Result<Vec<IpNet>, FactError> {
        let fact = Fact::ServiceCidrs;
        let objects = existing(self.list(SERVICE_CIDRS, Vec::<ServiceCIDR>::push, end));
        let objects = objects.map_err(|error| FactError::Api(fact, error))?;
        let objects = objects.ok_or(FactError::NoNetworks)?;
        let specs = objects.into_iter().filter_map(|object| object.spec);
        specs
            .flat_map(|spec| spec.cidrs.unwrap_or_default())
            .map(|cidr| {
                parse_network(&cidr).ok_or_else(|| FactError::Malformed {
                    fact,
                    object: "servicecidrs".to_owned(),
                    reason: format!("{} is not a network", quoted(&cidr)),
                })
            })
            .collect()
    }

    /// Takes in what the DNS names of `names` resolve to, as addresses of the API server.
    fn add_resolved(
        &self,
        inventory: &mut Inventory,
        names: &Names,
        end: Instant,
    ) -> Result<(), FactError> {
        for host in &names.dns {
            let ips = resolve(host, end).map_err(|source| FactError::Unresolved {
                host: quoted(host),
                source,
            })?;
            let names = Names {
                ips,
                ..Names::default()
            };
            inventory.replace_api_server(&format!("resolved/{host}"), names);
        }
        Ok(())
    }

    fn object<T: DeserializeOwned>(
        &self,
        path: &str,
        fact: Fact,
        end: Instant,
    ) -> Result<T, FactError> {
        let bytes = self.get(path, end);
        let object = bytes.and_then(|bytes| {
            serde_json::from_slice(&bytes).map_err(|error| self.0.connection.invalid(error))
        });
        object.map_err(|error| FactError::Api(fact, error))
    }
}
