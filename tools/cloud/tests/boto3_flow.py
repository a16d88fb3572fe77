"""Drives the local cloud by boto3 alone, before and after its restart.

usage: boto3_flow.py ENDPOINT FOLDER before|after
"""

import base64
import json
import pathlib
import re
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, folder, phase = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
notes = folder / "boto3.json"
session = boto3.Session("AKIDEXAMPLE", "secret", region_name="us-east-1")


def client(name):
    return session.client(name, endpoint_url=endpoint)


iot, s3 = client("iot"), client("s3")
data, jobs, sts = client("iot-data"), client("iot-jobs-data"), client("sts")
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]})
HOOK = {"payloadVersion": "2020-04-01",
        "targetArn": "arn:aws:lambda:us-east-1:123456789012:function:fleet-hook"}
ROLE = "arn:aws:iam::123456789012:role/ota"
IMAGE = bytes(range(256)) * 50


def refused(name, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        got = error.response["Error"]
        assert got["Code"] == name, got
        assert got["Message"], got
        return
    raise AssertionError(f"{call} was not refused")


def update(version, id="one", bucket="firmware", thing="arn:aws:iot:us-east-1:123456789012:thing/lamp"):
    location = {"bucket": bucket, "key": "lamp/update.bin"}
    if version:
        location["version"] = version
    return iot.create_ota_update(
        otaUpdateId=id, targets=[thing], protocols=["MQTT"], targetSelection="SNAPSHOT", roleArn=ROLE,
        awsJobTimeoutConfig={"inProgressTimeoutInMinutes": 60},
        files=[{"fileName": "non_secure image", "fileLocation": {"s3Location": location},
                "codeSigning": {"customCodeSigning": {
                    "signature": {"inlineDocument": base64.b64encode(b"signature")},
                    "certificateChain": {"certificateName": "0"},
                    "hashAlgorithm": "SHA256", "signatureAlgorithm": "RSA"}}}])


def listing():
    """Pages, prefixes, delete markers, conditions and URLs of S3; what is not kept is refused."""
    bucket = "listing"
    s3.create_bucket(Bucket=bucket)
    for key in ["a/1", "a/2", "b & c+d", "e"]:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in top["CommonPrefixes"]] == ["a/"], top
    assert [o["Key"] for o in top["Contents"]] == ["b & c+d", "e"], top
    for name in ["list_objects_v2", "list_objects", "list_object_versions"]:
        pages = list(s3.get_paginator(name).paginate(Bucket=bucket, PaginationConfig={"PageSize": 3}))
        found = [o["Key"] for p in pages for o in p.get("Contents", p.get("Versions", []))]
        assert (len(pages), found) == (2, ["a/1", "a/2", "b & c+d", "e"]), (name, pages)

    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    newer = s3.put_object(Bucket=bucket, Key="e", Body=b"newer")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="e")
    assert marker["DeleteMarker"], marker
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="e")
    assert s3.get_object(Bucket=bucket, Key="e", VersionId=newer)["Body"].read() == b"newer"
    assert "e" not in [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert s3.list_object_versions(Bucket=bucket)["DeleteMarkers"][0]["IsLatest"]
    refused("405", s3.head_object, Bucket=bucket, Key="e", VersionId=marker["VersionId"])
    s3.delete_object(Bucket=bucket, Key="e", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="e")["Body"].read() == b"newer"

    tag = s3.head_object(Bucket=bucket, Key="e")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="e", Body=b"", IfNoneMatch="*")
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="e", IfMatch='"other"')
    refused("304", s3.head_object, Bucket=bucket, Key="e", IfNoneMatch=tag)
    refused("NotImplemented", s3.put_object, Bucket=bucket, Key="m", Body=b"", Metadata={"a": "b"})
    refused("NotImplemented", s3.get_object_attributes, Bucket=bucket, Key="e", ObjectAttributes=["ETag"])
    refused("NotImplemented", s3.put_public_access_block, Bucket=bucket, PublicAccessBlockConfiguration={})

    signer = session.client("s3", endpoint_url=endpoint, config=Config(signature_version="s3v4"))
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "e"}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == b"newer"
    old = re.sub("X-Amz-Date=[0-9]{8}", "X-Amz-Date=20200101", url)
    try:
        urllib.request.urlopen(old)
        raise AssertionError("an old URL holds")
    except urllib.error.HTTPError as error:
        assert error.code == 403 and b"expired" in error.read()

    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": "b & c+d"}, {"Key": "a/1", "VersionId": "null"}]})["Deleted"]
    assert gone[0]["DeleteMarker"] and gone[1]["Key"] == "a/1", gone
    session.resource("s3", endpoint_url=endpoint).Bucket(bucket).object_versions.delete()
    s3.delete_bucket(Bucket=bucket)


def versions():
    """What names a version or an order is heeded; what is not kept is refused."""
    iot.create_thing(thingName="other")
    refused("VersionConflictException", iot.update_thing, thingName="other", expectedVersion=7)
    iot.update_thing(thingName="other", expectedVersion=1)
    refused("VersionConflictException", iot.delete_thing, thingName="other", expectedVersion=1)
    refused("InvalidRequestException", iot.create_thing, thingName="typed", thingTypeName="T")
    refused("InvalidRequestException", iot.list_things, nextToken="zzz")
    refused("InvalidRequestException", iot.list_jobs, thingGroupName="g")
    refused("UnknownOperation", client("iam").get_role, RoleName="r")

    closed = POLICY.replace("Allow", "Deny")
    iot.create_policy(policyName="turned", policyDocument=POLICY)
    refused("MalformedPolicyException", iot.create_policy_version, policyName="turned", policyDocument="{}")
    assert iot.create_policy_version(policyName="turned", policyDocument=closed)["policyVersionId"] == "2"
    assert iot.get_policy(policyName="turned")["policyDocument"] == POLICY
    iot.set_default_policy_version(policyName="turned", policyVersionId="2")
    assert iot.get_policy(policyName="turned")["policyDocument"] == closed
    assert iot.get_policy_version(policyName="turned", policyVersionId="1")["policyDocument"] == POLICY
    listed = [(v["versionId"], v["isDefaultVersion"]) for v in
              iot.list_policy_versions(policyName="turned")["policyVersions"]]
    assert listed == [("2", True), ("1", False)], listed
    refused("DeleteConflictException", iot.delete_policy, policyName="turned")
    refused("DeleteConflictException", iot.delete_policy_version, policyName="turned", policyVersionId="2")
    for _ in range(3):
        iot.create_policy_version(policyName="turned", policyDocument=POLICY, setAsDefault=True)
    refused("VersionsLimitExceededException", iot.create_policy_version, policyName="turned", policyDocument=POLICY)
    for version in "1234":
        iot.delete_policy_version(policyName="turned", policyVersionId=version)
    refused("ResourceNotFoundException", iot.get_policy_version, policyName="turned", policyVersionId="1")
    iot.delete_policy(policyName="turned")

    target = "arn:aws:iot:us-east-1:123456789012:thing/other"
    config = {"jobExecutionsRolloutConfig": {"maximumPerMinute": 50},
              "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1}]},
              "abortConfig": {"criteriaList": [{"failureType": "FAILED", "action": "CANCEL",
                                                "thresholdPercentage": 50.0, "minNumberOfExecutedThings": 1}]}}
    iot.create_job(jobId="again", targets=[target], document="{}", **config)
    iot.update_job(jobId="again", description="changed", timeoutConfig={"inProgressTimeoutInMinutes": 5})
    job = iot.describe_job(jobId="again")["job"]
    assert {name: job[name] for name in config} == config, job
    assert (job["description"], job["timeoutConfig"]["inProgressTimeoutInMinutes"]) == ("changed", 5), job
    refused("InvalidRequestException", iot.update_job, jobId="again", abortConfig={"criteriaList": [
        {"failureType": "ALL", "action": "CANCEL", "thresholdPercentage": 200.0, "minNumberOfExecutedThings": 1}]})
    jobs.update_job_execution(thingName="other", jobId="again", status="FAILED")
    second = iot.describe_job_execution(thingName="other", jobId="again")["execution"]
    assert (second["status"], second["executionNumber"]) == ("QUEUED", 2), second
    first = iot.describe_job_execution(thingName="other", jobId="again", executionNumber=1)["execution"]
    assert first["status"] == "FAILED", first
    refused("ResourceNotFoundException", iot.describe_job_execution, thingName="other", jobId="again",
            executionNumber=3)
    assert not iot.list_job_executions_for_thing(thingName="other", jobId="none")["executionSummaries"]
    refused("VersionConflictException", iot.cancel_job_execution, thingName="other", jobId="again",
            expectedVersion=9)
    iot.delete_job_execution(thingName="other", jobId="again", executionNumber=1)
    jobs.update_job_execution(thingName="other", jobId="again", status="FAILED")
    assert iot.describe_job(jobId="again")["job"]["jobProcessDetails"]["numberOfFailedThings"] == 1
    iot.delete_job(jobId="again")
    iot.delete_thing(thingName="other", expectedVersion=2)


def before():
    assert sts.get_caller_identity()["Account"] == "123456789012"
    assert ":" in iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    assert endpoint.endswith(iot.describe_endpoint(endpointType="iot:Jobs")["endpointAddress"])
    refused("InvalidRequestException", iot.describe_endpoint, endpointType="iot:CredentialProvider")

    thing = iot.create_thing(thingName="lamp", attributePayload={"attributes": {"room": "hall"}})
    assert thing["thingArn"].endswith(":thing/lamp")
    refused("ResourceAlreadyExistsException", iot.create_thing, thingName="lamp")
    refused("InvalidRequestException", iot.create_thing, thingName="no spaces")
    keys = iot.create_keys_and_certificate(setAsActive=True)
    assert keys["keyPair"]["PrivateKey"].startswith("-----BEGIN EC PRIVATE KEY-----")
    assert iot.describe_certificate(certificateId=keys["certificateId"])["certificateDescription"]["status"] == "ACTIVE"
    iot.create_policy(policyName="open", policyDocument=POLICY)
    refused("MalformedPolicyException", iot.create_policy, policyName="bad", policyDocument="{}")
    iot.attach_policy(policyName="open", target=keys["certificateArn"])
    iot.attach_thing_principal(thingName="lamp", principal=keys["certificateArn"])
    assert iot.list_thing_principals(thingName="lamp")["principals"] == [keys["certificateArn"]]
    assert iot.list_principal_things(principal=keys["certificateArn"])["things"] == ["lamp"]
    assert iot.list_attached_policies(target=keys["certificateArn"])["policies"][0]["policyName"] == "open"
    assert iot.list_targets_for_policy(policyName="open")["targets"] == [keys["certificateArn"]]
    refused("DeleteConflictException", iot.delete_policy, policyName="open")
    refused("CertificateStateException", iot.delete_certificate, certificateId=keys["certificateId"])

    versions()

    s3.create_bucket(Bucket="firmware")
    s3.put_bucket_versioning(Bucket="firmware", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="firmware", Key="lamp/update.bin", Body=IMAGE)["VersionId"]
    s3.put_object(Bucket="firmware", Key="lamp/update.bin", Body=b"newer")
    assert s3.get_object(Bucket="firmware", Key="lamp/update.bin")["Body"].read() == b"newer"
    assert s3.get_object(Bucket="firmware", Key="lamp/update.bin", VersionId=first)["Body"].read() == IMAGE
    part = s3.get_object(Bucket="firmware", Key="lamp/update.bin", VersionId=first, Range="bytes=16-31")
    assert part["Body"].read() == IMAGE[16:32]
    assert s3.head_object(Bucket="firmware", Key="lamp/update.bin")["ContentLength"] == 5
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="firmware", Prefix="lamp/")["Contents"]] == ["lamp/update.bin"]
    assert len(s3.list_object_versions(Bucket="firmware")["Versions"]) == 2
    refused("NoSuchKey", s3.get_object, Bucket="firmware", Key="none")

    listing()

    made = update(first)
    assert made["awsIotJobId"] == "AFR_OTA-one", made
    refused("ResourceAlreadyExistsException", update, version=first)
    refused("ResourceNotFoundException", update, version=first, id="two",
            thing="arn:aws:iot:us-east-1:123456789012:thing/nobody")
    update(None, id="gone", bucket="nowhere")
    failed = iot.get_ota_update(otaUpdateId="gone")["otaUpdateInfo"]
    assert failed["otaUpdateStatus"] == "CREATE_FAILED" and failed["errorInfo"]["message"], failed
    assert iot.get_ota_update(otaUpdateId="one")["otaUpdateInfo"]["otaUpdateStatus"] == "CREATE_COMPLETE"
    document = json.loads(iot.get_job_document(jobId="AFR_OTA-one")["document"])["afr_ota"]
    entry = document["files"][0]
    assert (entry["filepath"], entry["filesize"], entry["fileid"]) == ("non_secure image", len(IMAGE), 0)
    assert entry["sig-sha256-rsa"] == "c2lnbmF0dXJl" or base64.b64decode(entry["sig-sha256-rsa"])
    assert iot.describe_stream(streamId=document["streamname"])["streamInfo"]["streamVersion"] == 1
    job = iot.describe_job(jobId="AFR_OTA-one")["job"]
    assert job["jobProcessDetails"]["numberOfQueuedThings"] == 1
    assert job["timeoutConfig"]["inProgressTimeoutInMinutes"] == 60

    started = jobs.start_next_pending_job_execution(thingName="lamp")["execution"]
    assert started["jobId"] == "AFR_OTA-one" and started["versionNumber"] == 2
    assert json.loads(started["jobDocument"])["afr_ota"] == document
    assert 3500 < started["approximateSecondsBeforeTimedOut"] <= 3600
    refused("InvalidRequestException", jobs.update_job_execution, thingName="lamp", jobId="AFR_OTA-one",
            status="SUCCEEDED", expectedVersion=7)
    refused("ResourceNotFoundException", jobs.describe_job_execution, thingName="lamp", jobId="none")

    iot.create_job(jobId="plain", targets=[thing["thingArn"]], document='{"operation": "reboot"}')
    refused("InvalidStateTransitionException", iot.delete_job, jobId="plain")
    iot.cancel_job(jobId="plain", comment="not now")
    assert iot.describe_job(jobId="plain")["job"]["status"] == "CANCELED"
    template = {"Parameters": {"Serial": {"Type": "String"}}, "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Serial"}}}}}
    make = {"templateName": "fleet", "templateBody": json.dumps(template), "provisioningRoleArn": ROLE,
            "enabled": True}
    for bad in [{"targetArn": ROLE}, {"targetArn": HOOK["targetArn"] + ":7"},
                {"targetArn": HOOK["targetArn"], "payloadVersion": "2019-04-01"}]:
        refused("InvalidRequestException", iot.create_provisioning_template, preProvisioningHook=bad, **make)
    refused("InvalidRequestException", iot.create_provisioning_template, type="JITP", **make)
    iot.create_provisioning_template(preProvisioningHook={"targetArn": HOOK["targetArn"]}, **make)
    assert iot.describe_provisioning_template(templateName="fleet")["preProvisioningHook"] == HOOK
    refused("InvalidRequestException", iot.update_provisioning_template, templateName="fleet",
            preProvisioningHook=HOOK, removePreProvisioningHook=True)
    refused("InvalidRequestException", iot.update_provisioning_template, templateName="fleet", defaultVersionId=2)
    iot.update_provisioning_template(templateName="fleet", enabled=False, removePreProvisioningHook=True)
    described = iot.describe_provisioning_template(templateName="fleet")
    assert not described["enabled"] and "preProvisioningHook" not in described, described
    iot.update_provisioning_template(templateName="fleet", enabled=True, description="lamps", preProvisioningHook=HOOK)
    claim = iot.create_provisioning_claim(templateName="fleet")
    assert claim["certificatePem"].startswith("-----BEGIN CERTIFICATE-----")
    data.publish(topic="from/boto3", qos=1, payload=b"hello")
    assert [t["thingName"] for page in iot.get_paginator("list_things").paginate(maxResults=1) for t in page["things"]] == ["lamp"]
    notes.write_text(json.dumps({"certificate": keys["certificateId"], "stream": document["streamname"]}))


def after():
    described = iot.describe_provisioning_template(templateName="fleet")
    assert (described["enabled"], described["description"], described["provisioningRoleArn"],
            described["preProvisioningHook"]) == (True, "lamps", ROLE, HOOK), described
    known = json.loads(notes.read_text())
    assert iot.describe_thing(thingName="lamp")["attributes"] == {"room": "hall"}
    ids = [c["certificateId"] for c in iot.list_certificates()["certificates"]]
    assert known["certificate"] in ids
    assert {j["jobId"] for j in iot.list_jobs()["jobs"]} == {"AFR_OTA-one", "plain"}
    assert {u["otaUpdateId"] for u in iot.list_ota_updates()["otaUpdates"]} == {"one", "gone"}
    assert known["stream"] in [s["streamId"] for s in iot.list_streams()["streams"]]
    execution = iot.describe_job_execution(jobId="AFR_OTA-one", thingName="lamp")["execution"]
    assert (execution["status"], execution["versionNumber"]) == ("IN_PROGRESS", 2), execution
    jobs.update_job_execution(thingName="lamp", jobId="AFR_OTA-one", status="SUCCEEDED", expectedVersion=2,
                              statusDetails={"reason": "accepted"})
    execution = iot.describe_job_execution(jobId="AFR_OTA-one", thingName="lamp")["execution"]
    assert execution["statusDetails"]["detailsMap"] == {"reason": "accepted"}
    assert iot.describe_job(jobId="AFR_OTA-one")["job"]["status"] == "COMPLETED"
    refused("TerminalStateException", jobs.describe_job_execution, thingName="lamp", jobId="AFR_OTA-one")
    summaries = iot.list_job_executions_for_thing(thingName="lamp")["executionSummaries"]
    assert {s["jobExecutionSummary"]["status"] for s in summaries} == {"SUCCEEDED", "CANCELED"}
    assert len(iot.list_job_executions_for_job(jobId="AFR_OTA-one")["executionSummaries"]) == 1
    iot.delete_ota_update(otaUpdateId="one", deleteStream=True)
    refused("ResourceNotFoundException", iot.get_ota_update, otaUpdateId="one")
    refused("ResourceNotFoundException", iot.describe_stream, streamId=known["stream"])
    arn = f"arn:aws:iot:us-east-1:123456789012:cert/{known['certificate']}"
    iot.detach_thing_principal(thingName="lamp", principal=arn)
    iot.detach_policy(policyName="open", target=arn)
    iot.update_certificate(certificateId=known["certificate"], newStatus="REVOKED")
    iot.delete_certificate(certificateId=known["certificate"])
    iot.delete_policy(policyName="open")
    iot.delete_thing(thingName="lamp")
    assert s3.list_objects_v2(Bucket="firmware")["KeyCount"] == 1


{"before": before, "after": after}[phase]()
print(f"boto3 {phase}: ok")
