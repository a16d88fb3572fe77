#!/bin/sh
# Drives the local cloud by the AWS CLI alone, before and after its restart.
# usage: awscli_flow.sh AWS ENDPOINT FOLDER before|after
set -eu
program=$1 endpoint=$2 folder=$3 phase=$4
export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=secret AWS_DEFAULT_REGION=us-east-1
export AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
aws() { "$program" --endpoint-url "$endpoint" --output text "$@"; }
is() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'" >&2; exit 1; }; }
thing=arn:aws:iot:us-east-1:123456789012:thing/cli
if [ "$phase" = before ]; then
    is "$(aws iot create-thing --thing-name cli --query thingArn)" $thing
    aws iot create-keys-and-certificate --set-as-active --certificate-pem-outfile "$folder/cli.pem" \
        --private-key-outfile "$folder/cli.key" --query certificateArn >"$folder/cli.arn"
    aws iot attach-thing-principal --thing-name cli --principal "$(cat "$folder/cli.arn")"
    head -c 5000 /dev/zero >"$folder/cli.bin"
    aws s3 mb s3://cli-bucket
    aws s3 cp "$folder/cli.bin" s3://cli-bucket/update.bin
    printf c2lnbmF0dXJl >"$folder/cli.sig"
    cat >"$folder/cli.json" <<JSON
[{"fileName": "non_secure image", "fileLocation": {"s3Location": {"bucket": "cli-bucket", "key": "update.bin"}},
  "codeSigning": {"customCodeSigning": {"signature": {"inlineDocument": "$(base64 -w0 "$folder/cli.sig")"},
    "certificateChain": {"certificateName": "0"}, "hashAlgorithm": "SHA256", "signatureAlgorithm": "RSA"}}}]
JSON
    # Version 1 of the CLI takes blobs as text, version 2 in base64 unless it is told otherwise.
    aws iot create-ota-update --ota-update-id cli --targets $thing --role-arn arn:aws:iam::123456789012:role/ota \
        --files "file://$folder/cli.json" --query awsIotJobId >"$folder/cli.job"
    is "$(cat "$folder/cli.job")" AFR_OTA-cli
    if aws iot describe-job --job-id none 2>"$folder/cli.error"; then exit 1; fi
    grep -q ResourceNotFoundException "$folder/cli.error"
else
    is "$(aws iot list-things --query 'things[].thingName')" cli
fi
is "$(aws iot describe-job --job-id AFR_OTA-cli --query job.status)" IN_PROGRESS
is "$(aws iot get-ota-update --ota-update-id cli --query otaUpdateInfo.otaUpdateStatus)" CREATE_COMPLETE
if [ "$phase" = after ]; then
    aws iot delete-ota-update --ota-update-id cli --delete-stream --force-delete-aws-job
    aws s3 rm s3://cli-bucket/update.bin
fi
echo "awscli $phase: ok"
