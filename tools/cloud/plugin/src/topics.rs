//! What AWS allows as a topic, a filter and a client id, whoever asks.
//!
//! Owns the limits of reference/aws-iot.md §1.4 that a broker can judge by a name alone, and the
//! list of reserved topics (§1.3). Policies come after these.

const LONGEST: usize = 256;
const SLASHES: usize = 7;

/// Whether a device may publish here as far as AWS's rules for topics go.
pub fn may_publish(topic: &str) -> bool {
    fits(topic) && !topic.contains(['+', '#']) && (!topic.starts_with('$') || writable(topic))
}

/// Whether a device may subscribe to this filter as far as AWS's rules for filters go.
pub fn may_subscribe(filter: &str) -> bool {
    let shared = filter
        .strip_prefix("$share/")
        .map(|rest| rest.split_once('/').map_or("", |(_, filter)| filter));
    let filter = shared.unwrap_or(filter);
    fits(filter) && (!filter.starts_with('$') || readable(filter))
}

/// Whether a client may have this id.
pub fn is_client_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && !id.starts_with('$')
}

/// A request of a device that the service answers.
pub fn is_request(topic: &str) -> bool {
    let parts: Vec<&str> = topic.split('/').collect();
    match parts[..] {
        ["$aws", "things", _, "jobs", "get" | "start-next"]
        | ["$aws", "things", _, "jobs", _, "get" | "update"]
        | ["$aws", "things", _, "streams", _, "get" | "describe", _] => true,
        ["$aws", "certificates", "create" | "create-from-csr", f]
        | ["$aws", "provisioning-templates", _, "provision", f] => f == "json" || f == "cbor",
        _ => false,
    }
}

fn fits(name: &str) -> bool {
    // The first three slashes of a basic ingest topic are free.
    let free = if name.starts_with("$aws/rules/") {
        3
    } else {
        0
    };
    (1..=LONGEST).contains(&name.len())
        && name.bytes().filter(|b| *b == b'/').count() <= SLASHES + free
}

fn writable(topic: &str) -> bool {
    if topic.starts_with("$aws/certificates/") || topic.starts_with("$aws/provisioning-templates/")
    {
        return is_request(topic);
    }
    if let Some(rest) = topic.strip_prefix("$aws/commands/") {
        let parts: Vec<&str> = rest.split('/').collect();
        return matches!(
            parts[..],
            [
                "things" | "clients",
                _,
                "executions",
                _,
                "response",
                "json" | "cbor"
            ]
        );
    }
    let Some(rest) = topic.strip_prefix("$aws/things/") else {
        return topic.starts_with("$aws/rules/");
    };
    let parts: Vec<&str> = rest.split('/').collect();
    !matches!(
        parts[..],
        [_, "jobs", "notify" | "notify-next"]
            | [_, "jobs", "get" | "start-next", "accepted" | "rejected"]
            | [_, "jobs", _, "get" | "update", "accepted" | "rejected"]
            | [_, "defender", "metrics", _, "accepted" | "rejected"]
            | [_, "streams", _, "data" | "description" | "rejected", ..]
    )
}

fn readable(filter: &str) -> bool {
    let answers = |rest: &str| {
        rest.ends_with("/accepted")
            || rest.ends_with("/rejected")
            || rest.ends_with("/+")
            || rest.ends_with("/#")
    };
    ["$aws/things/", "$aws/events/", "$aws/commands/"]
        .iter()
        .any(|p| filter.starts_with(p))
        || ["$aws/certificates/", "$aws/provisioning-templates/"]
            .iter()
            .any(|p| filter.strip_prefix(p).is_some_and(answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_the_service_writes_are_reserved() {
        for topic in [
            "$aws/things/t/jobs/notify",
            "$aws/things/t/jobs/start-next/accepted",
            "$aws/things/t/jobs/$next/get/rejected",
            "$aws/things/t/streams/s/data/cbor",
            "$aws/events/presence/connected/t",
            "$aws/certificates/create/json/accepted",
            "$aws/commands/things/t/executions/e/request/json",
            "$aws/commands/things/t/executions/e/response/json/accepted",
            "$SYS/broker/version",
            "$direct/t/x",
            "$request/t/x",
            "a/+/b",
            "",
            "1/2/3/4/5/6/7/8/9",
        ] {
            assert!(!may_publish(topic), "{topic}");
        }
        for topic in [
            "t/ml/inference",
            "$aws/things/t/jobs/start-next",
            "$aws/things/t/jobs/$next/get",
            "$aws/things/t/streams/s/get/json",
            "$aws/things/t/shadow/update",
            "$aws/certificates/create/cbor",
            "$aws/provisioning-templates/x/provision/json",
            "$aws/commands/things/t/executions/e/response/json",
            "$aws/rules/r/1/2/3/4/5/6/7/8",
        ] {
            assert!(may_publish(topic), "{topic}");
        }
        assert!(!may_publish(&"x".repeat(257)));
    }

    #[test]
    fn filters_outside_the_list_are_refused() {
        for filter in [
            "$SYS/#",
            "$aws/#",
            "$direct/#",
            "$request/#",
            "$share/g/$SYS/#",
        ] {
            assert!(!may_subscribe(filter), "{filter}");
        }
        for filter in [
            "#",
            "t/#",
            "$aws/things/t/jobs/#",
            "$share/g/t/+",
            "$aws/certificates/create/json/accepted",
            "$aws/provisioning-templates/x/provision/cbor/rejected",
        ] {
            assert!(may_subscribe(filter), "{filter}");
        }
    }
}
