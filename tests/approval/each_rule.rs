//! Each rule by itself: a good request is approved, and the same one with the rule broken is refused for that rule.

use std::time::Duration;

use kubelet_tls::parts::approval::Rule;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::breakers::{Break, Case, Variation, breaker, variation};
use super::cluster::network;
use super::request::ip;

fn check(rule: Rule, variation: &Variation, broken: &Break) -> Result<(), TestCaseError> {
    let good = Case::with(variation).judge();
    prop_assert!(good.is_ok(), "without the break: {good:?}");
    let mut case = Case::with(variation);
    broken.apply(&mut case);
    let violation = match case.judge() {
        Ok(approval) => return Err(TestCaseError::fail(format!("{approval:?}"))),
        Err(violation) => violation,
    };
    prop_assert_eq!(violation.rule, rule, "{}", violation);
    prop_assert!(!violation.remedy.is_empty() && !violation.remedy.ends_with('.'));
    let is_plain = violation
        .message
        .bytes()
        .all(|byte| (b' '..0x7f).contains(&byte));
    prop_assert!(is_plain, "{violation}");
    Ok(())
}

macro_rules! properties {
    ($($rule:ident: $test:ident;)*) => {
        const RULES: &[Rule] = &[$(Rule::$rule),*];

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $test(variation in variation(), broken in breaker(Rule::$rule)) {
                    check(Rule::$rule, &variation, &broken)?;
                }
            )*
        }
    };
}

properties! {
    Undecided: a_decided_request_is_refused;
    RequestNameIsValid: a_request_whose_name_is_not_a_subdomain_is_refused;
    SignerIsKubeletServing: a_request_for_another_signer_is_refused;
    RequestorIsNode: a_request_of_another_user_is_refused;
    RequestorInSystemNodes: a_requestor_outside_the_group_of_nodes_is_refused;
    UsagesAreServing: other_usages_are_refused;
    DurationWithinMaximum: a_lifetime_beyond_the_maximum_is_refused;
    RequestIsWellFormed: a_damaged_request_is_refused;
    SubjectIsPlain: another_form_of_subject_is_refused;
    CommonNameIsRequestor: another_common_name_is_refused;
    OrganizationIsSystemNodes: another_organization_is_refused;
    KeyIsStrong: a_weak_or_unknown_key_is_refused;
    SignatureVerifies: a_signature_with_a_flipped_bit_is_refused;
    OnlyAlternativeNames: another_extension_or_attribute_is_refused;
    NamesAreDnsOrIp: another_kind_of_name_is_refused;
    HasNames: a_request_for_no_name_is_refused;
    NamesWithinMaximum: more_names_than_the_maximum_are_refused;
    NodeExists: a_request_of_an_unknown_node_is_refused;
    NameIsValid: a_name_that_is_not_a_hosts_is_refused;
    NameIsUnicast: a_name_that_every_machine_has_is_refused;
    NameIsNotApiServers: a_name_of_the_api_server_is_refused;
    NameIsNotServices: a_name_of_a_service_is_refused;
    NameIsNotPods: an_address_of_pods_is_refused;
    NameIsNodes: a_name_that_the_node_does_not_have_is_refused;
    AddressWithinPrefixes: an_address_outside_the_prefixes_is_refused;
    NameIsNoOtherNodes: a_name_of_another_node_is_refused;
    NewestOfNode: a_request_that_may_be_superseded_is_refused;
    NamesAreServed: a_name_that_the_node_does_not_serve_is_refused;
}

#[test]
fn each_rule_has_its_property() {
    assert_eq!(RULES, Rule::ALL);
}

/// What another object of the cluster says never has a request denied.
#[test]
fn what_others_claim_is_never_a_reason_to_deny() {
    let of_others = [
        Rule::Undecided,
        Rule::RequestNameIsValid,
        Rule::SignerIsKubeletServing,
        Rule::RequestorIsNode,
        Rule::RequestorInSystemNodes,
        Rule::NodeExists,
        Rule::NameIsNotApiServers,
        Rule::NameIsNotServices,
        Rule::NameIsNotPods,
        Rule::NameIsNodes,
        Rule::AddressWithinPrefixes,
        Rule::NameIsNoOtherNodes,
        Rule::NewestOfNode,
        Rule::NamesAreServed,
    ];
    for rule in Rule::ALL {
        assert_eq!(rule.may_be_denied(), !of_others.contains(rule), "{rule}");
    }
}

fn breakers() -> impl Strategy<Value = Vec<Break>> {
    let rules = subsequence(Rule::ALL.to_vec(), 1..6);
    rules.prop_flat_map(|rules| rules.into_iter().map(breaker).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No company makes a broken rule hold.
    #[test]
    fn rules_that_are_broken_together_are_refused(variation in variation(), broken in breakers()) {
        let mut case = Case::with(&variation);
        broken.iter().for_each(|one| one.apply(&mut case));
        prop_assert!(case.judge().is_err());
    }

    /// A lifetime is vouched for exactly up to the maximum.
    #[test]
    fn lifetimes_up_to_the_maximum_are_approved(seconds in any::<i64>(), most in 0_u32..100_000) {
        let mut case = Case::good();
        case.policy.max_duration = Duration::from_secs(most.into());
        case.request.expiration_seconds = Some(seconds);
        let within = seconds > 0 && seconds <= i64::from(most);
        prop_assert_eq!(case.judge().is_ok(), within);
    }

    /// So many names are vouched for, repeated ones counted.
    #[test]
    fn as_many_names_as_the_maximum_are_approved(count in 1_usize..40, most in 0_usize..40) {
        let mut case = Case::good();
        case.policy.max_names = most;
        case.names = vec![ip("10.0.0.7"); count];
        prop_assert_eq!(case.judge().is_ok(), count <= most);
    }

    /// With networks given, an address is approved exactly where it lies in one of them.
    #[test]
    fn only_addresses_within_the_prefixes_are_approved(third in 0_u8..4, length in 16_u8..=24) {
        let mut case = Case::good();
        let prefix = network(&format!("10.7.{third}.0/{length}"));
        let address = "10.7.1.7".parse().unwrap();
        case.policy.ip_prefixes = vec![prefix, network("10.0.0.0/24")];
        case.has("10.7.1.7");
        prop_assert_eq!(case.judge().is_ok(), prefix.contains(&std::net::IpAddr::V4(address)));
    }
}
