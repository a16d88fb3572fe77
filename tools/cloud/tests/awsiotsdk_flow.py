"""A device made of AWS's own SDK, over mutual TLS: jobs, policies, presence, fleet provisioning.

usage: awsiotsdk_flow.py HTTP_ENDPOINT MQTT_PORT ROOT_PEM FOLDER
"""

import json
import pathlib
import queue
import sys

import boto3
from awscrt import mqtt
from awsiot import iotjobs, mqtt_connection_builder

endpoint, port, root, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
LIMIT = 60
session = boto3.Session("AKIDEXAMPLE", "secret", region_name="us-east-1")
iot = session.client("iot", endpoint_url=endpoint)
ARN = "arn:aws:iot:us-east-1:123456789012"
THING = "${iot:Connection.Thing.ThingName}"
POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{ARN}:client/{THING}"},
    {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"],
     "Resource": [f"{ARN}:topic/$aws/things/{THING}/jobs/*", f"{ARN}:topic/{THING}/*"]},
    {"Effect": "Allow", "Action": "iot:Subscribe",
     "Resource": [f"{ARN}:topicfilter/$aws/things/{THING}/jobs/*", f"{ARN}:topicfilter/{THING}/*"]}]}


def write(name, pem, key):
    (folder / f"{name}.pem").write_text(pem)
    (folder / f"{name}.key").write_text(key)


def connection(client, certificate, **more):
    return mqtt_connection_builder.mtls_from_path(
        cert_filepath=str(folder / f"{certificate}.pem"), pri_key_filepath=str(folder / f"{certificate}.key"),
        ca_filepath=root, endpoint="localhost", port=port, client_id=client, clean_session=True,
        keep_alive_secs=30, **more)


def refused(client, certificate):
    try:
        connection(client, certificate).connect().result(LIMIT)
    except Exception as error:  # awscrt has its own tree
        return error
    raise AssertionError(f"{client} with {certificate} was let in")


thing = iot.create_thing(thingName="sdk")["thingArn"]
keys = iot.create_keys_and_certificate(setAsActive=True)
write("sdk", keys["certificatePem"], keys["keyPair"]["PrivateKey"])
refused("sdk", "sdk")  # no policy yet
iot.create_policy(policyName="sdk", policyDocument=json.dumps(POLICY))
iot.attach_policy(policyName="sdk", target=keys["certificateArn"])
refused("sdk", "sdk")  # not the thing's certificate yet
iot.attach_thing_principal(thingName="sdk", principal=keys["certificateArn"])
refused("other", "sdk")  # a client that is not its thing
interrupted = queue.Queue()
inbox = queue.Queue()
link = connection("sdk", "sdk", on_connection_interrupted=lambda connection, error, **_: interrupted.put(error))
link.on_message(lambda topic, payload, **_: inbox.put((topic, payload)))
link.connect().result(LIMIT)

# Answers of Jobs come to who asks, without a subscription.
link.publish("$aws/things/sdk/jobs/start-next", '{"clientToken":"raw"}', mqtt.QoS.AT_LEAST_ONCE)[0].result(LIMIT)
topic, payload = inbox.get(timeout=LIMIT)
assert topic == "$aws/things/sdk/jobs/start-next/accepted", topic
assert json.loads(payload)["clientToken"] == "raw" and "execution" not in json.loads(payload)

# The Jobs client of the SDK.
client = iotjobs.IotJobsClient(link)
next_job, started, updated, rejected = (queue.Queue() for _ in range(4))
QOS = mqtt.QoS.AT_LEAST_ONCE
client.subscribe_to_next_job_execution_changed_events(
    iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name="sdk"), QOS, next_job.put)[0].result(LIMIT)
client.subscribe_to_start_next_pending_job_execution_accepted(
    iotjobs.StartNextPendingJobExecutionSubscriptionRequest(thing_name="sdk"), QOS, started.put)[0].result(LIMIT)
request = iotjobs.UpdateJobExecutionSubscriptionRequest(thing_name="sdk", job_id="job-1")
client.subscribe_to_update_job_execution_accepted(request, QOS, updated.put)[0].result(LIMIT)
client.subscribe_to_update_job_execution_rejected(request, QOS, rejected.put)[0].result(LIMIT)
iot.create_job(jobId="job-1", targets=[thing], document='{"operation":"blink"}')
assert next_job.get(timeout=LIMIT).execution.job_id == "job-1"
client.publish_start_next_pending_job_execution(
    iotjobs.StartNextPendingJobExecutionRequest(thing_name="sdk", client_token="t1"), QOS).result(LIMIT)
execution = started.get(timeout=LIMIT).execution
assert execution.job_document == {"operation": "blink"} and execution.version_number == 2


def update(version):
    client.publish_update_job_execution(iotjobs.UpdateJobExecutionRequest(
        thing_name="sdk", job_id="job-1", status=iotjobs.JobStatus.SUCCEEDED, expected_version=version,
        client_token="t2"), QOS).result(LIMIT)


update(9)
refusal = rejected.get(timeout=LIMIT)
assert refusal.code == "VersionMismatch" and refusal.execution_state.version_number == 2, refusal
update(2)
assert updated.get(timeout=LIMIT).client_token == "t2"
assert iot.describe_job(jobId="job-1")["job"]["status"] == "COMPLETED"

# What policy denies closes the connection, as on AWS.
link.publish("elsewhere/topic", "x", mqtt.QoS.AT_MOST_ONCE)
interrupted.get(timeout=LIMIT)
link.disconnect().result(LIMIT)

# A certificate that is set INACTIVE is cut off at once and kept out.
link = connection("sdk", "sdk", on_connection_interrupted=lambda connection, error, **_: interrupted.put(error))
link.connect().result(LIMIT)
iot.update_certificate(certificateId=keys["certificateId"], newStatus="INACTIVE")
interrupted.get(timeout=LIMIT)
link.disconnect().result(LIMIT)
refused("sdk", "sdk")

# Fleet provisioning by claim.
template = {"Parameters": {"SerialNumber": {"Type": "String"}, "AWS::IoT::Certificate::Id": {"Type": "String"}},
            "Resources": {
                "thing": {"Type": "AWS::IoT::Thing", "Properties": {
                    "ThingName": {"Fn::Join": ["", ["fleet-", {"Ref": "SerialNumber"}]]}}},
                "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
                    "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"}},
                "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "sdk"}}},
            "DeviceConfiguration": {"site": "lab"}}
iot.create_provisioning_template(templateName="fleet", templateBody=json.dumps(template), enabled=True,
                                 provisioningRoleArn="arn:aws:iam::123456789012:role/fleet")
claim = iot.create_provisioning_claim(templateName="fleet")
write("claim", claim["certificatePem"], claim["keyPair"]["PrivateKey"])
link = connection("factory-7", "claim")
link.connect().result(LIMIT)
answers = queue.Queue()
for topic in ["$aws/certificates/create/json", "$aws/provisioning-templates/fleet/provision/json"]:
    for end in ["accepted", "rejected"]:
        link.subscribe(f"{topic}/{end}", QOS, lambda topic, payload, **_: answers.put((topic, json.loads(payload))))[0].result(LIMIT)
link.publish("$aws/certificates/create/json", "", QOS)
topic, made = answers.get(timeout=LIMIT)
assert topic.endswith("/accepted"), made
assert iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]["status"] == "PENDING_ACTIVATION"


def provision(token):
    body = {"certificateOwnershipToken": token, "parameters": {"SerialNumber": "7"}}
    link.publish("$aws/provisioning-templates/fleet/provision/json", json.dumps(body), QOS)
    return answers.get(timeout=LIMIT)


topic, refusal = provision("nonsense")
assert topic.endswith("/rejected") and refusal["errorCode"] == "InvalidCertificateOwnershipToken", refusal
topic, body = provision(made["certificateOwnershipToken"])
assert topic.endswith("/accepted") and body == {"deviceConfiguration": {"site": "lab"}, "thingName": "fleet-7"}, body
topic, refusal = provision(made["certificateOwnershipToken"])
assert topic.endswith("/rejected"), "a token holds once"
link.disconnect().result(LIMIT)
write("fleet-7", made["certificatePem"], made["privateKey"])
link = connection("fleet-7", "fleet-7")
link.connect().result(LIMIT)
link.publish("fleet-7/hello", "provisioned", QOS)[0].result(LIMIT)
link.disconnect().result(LIMIT)
print("awsiotsdk: ok")
