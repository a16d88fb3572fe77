//! Security_Device_Policies and Job_Execution: the policy and the Jobs agent.

use crate::Verdict::{self, Pass};
use crate::support::{Signer, World, image};
use serde_json::Value;

/// No statement of the attached policy allows everything.
pub fn policies() -> Verdict {
    let document: Value = serde_json::from_str(&cloud::device_policy()).unwrap();
    let list = |value: &Value| match value {
        Value::Array(all) => all
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect::<Vec<_>>(),
        one => vec![one.as_str().unwrap().to_owned()],
    };
    let statements = document["Statement"].as_array().unwrap();
    let allowed = statements.iter().filter(|s| s["Effect"] == "Allow");
    let (mut resources, mut for_all) = (0, 0);
    for statement in allowed {
        for action in list(&statement["Action"]) {
            assert!(!["*", "iot:*"].contains(&action.as_str()), "{statement}");
        }
        for resource in list(&statement["Resource"]) {
            let last = resource.rsplit(':').next().unwrap();
            let open = ["*", "topic/*", "topicfilter/*", "client/*"];
            assert!(!open.contains(&last), "{statement}");
            // AWS's topics for another certificate name no thing; the template's hook does
            // (docs/aws.md).
            let certificates = [
                "/$aws/certificates/create-from-csr/*",
                "/$aws/provisioning-templates/tockstone-rotate/provision/*",
            ];
            if certificates.iter().any(|topic| resource.ends_with(topic)) {
                for_all += 1;
                continue;
            }
            assert!(
                resource.contains("${iot:Connection.Thing.ThingName}"),
                "{resource}: another thing's"
            );
            resources += 1;
        }
    }
    assert!(resources > 5 && for_all == 4);
    Pass(format!(
        "{} statements, {resources} resources of the thing's own, {for_all} for another certificate",
        statements.len()
    ))
}

/// A job comes, is started, reported IN_PROGRESS, and SUCCEEDED.
pub fn job() -> Verdict {
    let mut world = World::new(1);
    let file = image(1, 2).build();
    let signer = Signer::pss();
    let now = world.now;
    world
        .cloud
        .create("j", "non_secure image", &file, &signer.sign(&file), now);
    assert_eq!(world.job("j", 120), ("SUCCEEDED", "accepted v2.0.0".into()));
    let heard = |topic: &str, text: &str| {
        world.cloud.heard.iter().any(|(t, payload)| {
            t.ends_with(topic) && String::from_utf8_lossy(payload).contains(text)
        })
    };
    assert!(heard("/jobs/start-next", ""), "asks for its job");
    assert!(heard("/jobs/j/update", "\"IN_PROGRESS\""));
    assert!(heard("/jobs/j/update", "\"SUCCEEDED\""));
    Pass("start-next, IN_PROGRESS and SUCCEEDED through update".into())
}
