"""Pre-provisioning hook of the template tockstone-rotate: a device gets another certificate for its own thing alone.

One file for AWS Lambda (docs/aws.md) and for the local cloud. A device's policy lets it connect under the name of its
thing only, so the client id says who asks.
"""


def lambda_handler(event, context):
    asks, wanted = event["clientId"], event["parameters"].get("ThingName")
    if wanted != asks:
        print(f"{asks} has asked for a certificate of {wanted}")
    return {"allowProvisioning": wanted == asks}
