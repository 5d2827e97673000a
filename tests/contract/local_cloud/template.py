"""The probe stack: a small cloud assembly that uses every service the product leans on."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
ACCOUNT = "000000000000"
NAME = "dmp-probe"


def _role(*statements, service="lambda.amazonaws.com"):
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": service},
                        "Action": "sts:AssumeRole",
                    }
                ],
            },
            "Policies": [
                {
                    "PolicyName": "own",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {"Effect": "Allow", "Action": action, "Resource": resource}
                            for action, resource in statements
                        ]
                        or [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}],
                    },
                }
            ],
        },
    }


def _att(name, attribute="Arn"):
    return {"Fn::GetAtt": [name, attribute]}


def _function(handler, role, code, *, timeout=10, **environment):
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.13",
            "Architectures": ["arm64"],
            "Handler": f"probe.{handler}",
            "Role": _att(role),
            "Code": code["function"],
            "Layers": [{"Ref": "Layer"}],
            "Timeout": timeout,
            "Environment": {"Variables": environment},
        },
    }


def _log_rights():
    return ("logs:CreateLogStream", "*"), ("logs:PutLogEvents", "*")


def _functions(code):
    return {
        "Layer": {
            "Type": "AWS::Lambda::LayerVersion",
            "Properties": {"Content": code["layer"], "CompatibleRuntimes": ["python3.13"]},
        },
        "PlainRole": _role(*_log_rights()),
        "Authorizer": _function("authorizer", "PlainRole", code),
        "Api": _function("api", "PlainRole", code),
        "Task": _function("task", "PlainRole", code),
        "Slow": _function("task", "PlainRole", code, timeout=1),
        "Outside": _function("outside", "PlainRole", code),
        "Elsewhere": _function("outside", "PlainRole", code),
        "Batch": _function("batch", "PlainRole", code),
        "ConsumerRole": _role(
            ("dynamodb:PutItem", _att("Table")),
            ("kms:Decrypt", _att("Key")),
            ("sqs:ReceiveMessage", _att("Queue")),
            ("sqs:DeleteMessage", _att("Queue")),
            ("sqs:GetQueueAttributes", _att("Queue")),
        ),
        "Consumer": _function("consume", "ConsumerRole", code, TABLE={"Ref": "Table"}),
        "ConsumerMapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": _att("Queue"),
                "FunctionName": {"Ref": "Consumer"},
                "BatchSize": 5,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
        "StreamRole": _role(
            ("events:PutEvents", _att("Bus")),
            ("kms:Decrypt", _att("Key")),
            ("sqs:SendMessage", _att("StreamDeadLetters")),
            *(
                (f"dynamodb:{action}", _att("Table", "StreamArn"))
                for action in ("GetRecords", "GetShardIterator", "DescribeStream", "ListStreams")
            ),
        ),
        "Stream": _function("stream", "StreamRole", code, BUS={"Ref": "Bus"}),
        "StreamMapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": _att("Table", "StreamArn"),
                "FunctionName": {"Ref": "Stream"},
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 10,
                "BisectBatchOnFunctionError": True,
                "MaximumRetryAttempts": 2,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "DestinationConfig": {"OnFailure": {"Destination": _att("StreamDeadLetters")}},
                "FilterCriteria": {
                    "Filters": [
                        {
                            "Pattern": json.dumps(
                                {
                                    "eventName": ["INSERT"],
                                    "dynamodb": {"Keys": {"pk": {"S": ["thing"]}}},
                                }
                            )
                        }
                    ]
                },
            },
        },
        "ReachRole": _role(
            ("dynamodb:PutItem", _att("Table")),
            ("kms:Decrypt", _att("Key")),
            ("secretsmanager:GetSecretValue", {"Ref": "Secret"}),
            ("ses:SendEmail", "*"),
            ("sns:Publish", "*"),
            ("s3:PutObject", {"Fn::Sub": "${Bucket.Arn}/*"}),
            ("s3:GetObject", {"Fn::Sub": "${Bucket.Arn}/*"}),
            ("kms:GenerateDataKey", _att("Key")),
            ("kms:Sign", _att("SigningKey")),
            ("kms:GetPublicKey", _att("SigningKey")),
            ("sqs:SendMessage", _att("Facts")),
            ("lambda:InvokeFunction", "*"),
        ),
        "Reach": _function("reach", "ReachRole", code),
    }


def _key(**properties):
    return {
        "Type": "AWS::KMS::Key",
        "Properties": {
            **properties,
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                        "Action": "kms:*",
                        "Resource": "*",
                    }
                ],
            },
        },
    }


def _data():
    return {
        "Key": _key(EnableKeyRotation=True),
        "SigningKey": _key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY"),
        "Secret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"GenerateSecretString": {"PasswordLength": 44}},
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
                "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
                "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {
                    "SSEEnabled": True,
                    "SSEType": "KMS",
                    "KMSMasterKeyId": _att("Key"),
                },
            },
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [
                        {
                            "BucketKeyEnabled": True,
                            "ServerSideEncryptionByDefault": {
                                "SSEAlgorithm": "aws:kms",
                                "KMSMasterKeyID": _att("Key"),
                            },
                        }
                    ]
                },
                "VersioningConfiguration": {"Status": "Enabled"},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": True,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": True,
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "LifecycleConfiguration": {
                    "Rules": [
                        {
                            "Id": "expire",
                            "Status": "Enabled",
                            "ExpirationInDays": 7,
                            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
                            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                        }
                    ]
                },
                "NotificationConfiguration": {
                    "EventBridgeConfiguration": {"EventBridgeEnabled": True}
                },
            },
        },
        "Locked": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "ObjectLockEnabled": True,
                "ObjectLockConfiguration": {
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
                },
                "VersioningConfiguration": {"Status": "Enabled"},
            },
        },
        "BucketTls": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Deny",
                            "Principal": {"AWS": "*"},
                            "Action": "s3:*",
                            "Resource": [_att("Bucket"), {"Fn::Sub": "${Bucket.Arn}/*"}],
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        }
                    ],
                },
            },
        },
    }


def _messaging():
    return {
        "DeadLetters": {"Type": "AWS::SQS::Queue"},
        "StreamDeadLetters": {"Type": "AWS::SQS::Queue"},
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "SqsManagedSseEnabled": True,
                "VisibilityTimeout": 1,
                "RedrivePolicy": {
                    "deadLetterTargetArn": _att("DeadLetters"),
                    "maxReceiveCount": 2,
                },
            },
        },
        "Facts": {"Type": "AWS::SQS::Queue", "Properties": {"SqsManagedSseEnabled": True}},
        "FactsPolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Facts"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Deny",
                            "Principal": {"AWS": "*"},
                            "Action": "sqs:*",
                            "Resource": _att("Facts"),
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        },
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": _att("Facts"),
                        },
                    ],
                },
            },
        },
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "probe-facts"}},
        "FactsRule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "EventPattern": {"source": ["dmp.probe"]},
                "Targets": [{"Id": "queue", "Arn": _att("Facts")}],
            },
        },
        "ObjectsRule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {
                        "bucket": {"name": [{"Ref": "Bucket"}]},
                        "object": {"key": [{"prefix": "in/"}]},
                    },
                },
                "Targets": [{"Id": "queue", "Arn": _att("Facts")}],
            },
        },
        "WorkflowRule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "EventPattern": {"source": ["dmp.start"]},
                "Targets": [
                    {
                        "Id": "workflow",
                        "Arn": {"Ref": "Retrying"},
                        "RoleArn": _att("EventsRole"),
                        "InputPath": "$.detail",
                    }
                ],
            },
        },
        "EventsRole": _role(
            ("states:StartExecution", {"Ref": "Retrying"}), service="events.amazonaws.com"
        ),
    }


def _workflow(definition):
    return {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": _att("WorkflowRole"),
            "DefinitionString": {"Fn::Sub": json.dumps(definition)},
        },
    }


def _workflows():
    retrying = {
        "StartAt": "Do",
        "States": {
            "Do": {
                "Type": "Task",
                "Resource": "${Task.Arn}",
                "Retry": [
                    {
                        "ErrorEquals": ["WorkerBusyError"],
                        "IntervalSeconds": 1,
                        "MaxAttempts": 1,
                        "BackoffRate": 1,
                    }
                ],
                "Catch": [
                    {
                        "ErrorEquals": ["WorkerBusyError"],
                        "ResultPath": "$.caught",
                        "Next": "Caught",
                    }
                ],
                "End": True,
            },
            "Caught": {"Type": "Pass", "End": True},
        },
    }
    mapping = {
        "StartAt": "Rows",
        "States": {
            "Rows": {
                "Type": "Map",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                    "Parameters": {"Bucket": "${Bucket}", "Key.$": "$.key"},
                },
                "ItemBatcher": {"MaxItemsPerBatch": 3, "BatchInput": {"run.$": "$.run"}},
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Batch",
                    "States": {"Batch": {"Type": "Task", "Resource": "${Batch.Arn}", "End": True}},
                },
                "MaxConcurrency": 2,
                "ToleratedFailurePercentage": 50,
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Parameters": {"Bucket": "${Bucket}", "Prefix": "results"},
                },
                "ResultPath": "$.map",
                "End": True,
            }
        },
    }
    waiting = {
        "StartAt": "Wait",
        "States": {
            "Wait": {"Type": "Wait", "Seconds": 3, "Next": "Tell"},
            "Tell": {
                "Type": "Pass",
                "Parameters": {"given.$": "$$.Execution.Input.by", "passed.$": "$.by"},
                "End": True,
            },
        },
    }
    return {
        "WorkflowRole": _role(
            ("lambda:InvokeFunction", _att("Task")),
            ("lambda:InvokeFunction", _att("Batch")),
            service="states.amazonaws.com",
        ),
        "Retrying": _workflow(retrying),
        "Mapping": _workflow(mapping),
        "Waiting": _workflow(waiting),
    }


def _resource(parent, part):
    return {
        "Type": "AWS::ApiGateway::Resource",
        "Properties": {"RestApiId": {"Ref": "Rest"}, "ParentId": parent, "PathPart": part},
    }


def _method(resource, verb, *, public=False):
    integration = {
        "Type": "AWS_PROXY",
        "IntegrationHttpMethod": "POST",
        "Uri": {
            "Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Api.Arn}/invocations"
        },
    }
    auth = (
        {"AuthorizationType": "NONE"}
        if public
        else {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "TokenAuthorizer"}}
    )
    return {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "RestApiId": {"Ref": "Rest"},
            "ResourceId": resource,
            "HttpMethod": verb,
            "Integration": integration,
            **auth,
        },
    }


def _api():
    root = _att("Rest", "RootResourceId")
    resources = {
        "Health": (root, "health"),
        "Boom": (root, "boom"),
        "Binary": (root, "binary"),
        "Things": (root, "things"),
        "Thing": ({"Ref": "Things"}, "{id}"),
        "Fhir": (root, "fhir"),
        "Documents": ({"Ref": "Fhir"}, "DocumentReference"),
        "Upload": ({"Ref": "Documents"}, "$upload"),
    }
    methods = {
        "Health": ("GET", True),
        "Boom": ("GET", False),
        "Binary": ("POST", False),
        "Things": ("POST", False),
        "Thing": ("GET", False),
        "Documents": ("GET", False),
        "Upload": ("POST", False),
    }
    made = {name: _resource(parent, part) for name, (parent, part) in resources.items()}
    made |= {
        f"{name}Method": _method({"Ref": name}, verb, public=public)
        for name, (verb, public) in methods.items()
    }
    return {
        "Rest": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {"Name": "probe", "BinaryMediaTypes": ["*/*"]},
        },
        "TokenAuthorizer": {
            "Type": "AWS::ApiGateway::Authorizer",
            "Properties": {
                "Name": "token",
                "RestApiId": {"Ref": "Rest"},
                "Type": "TOKEN",
                "IdentitySource": "method.request.header.Authorization",
                "AuthorizerResultTtlInSeconds": 0,
                "AuthorizerUri": {
                    "Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Authorizer.Arn}/invocations"
                },
            },
        },
        **made,
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": [f"{name}Method" for name in methods],
            "Properties": {"RestApiId": {"Ref": "Rest"}},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": {"Ref": "Rest"},
                "DeploymentId": {"Ref": "Deployment"},
                "StageName": "v1",
            },
        },
    }


def _outputs():
    values = {
        "TableThings": {"Ref": "Table"},
        "BucketVault": {"Ref": "Bucket"},
        "BucketAudit": {"Ref": "Locked"},
        "QueueHistoryRequests": {"Ref": "Queue"},
        "QueueDeadLetters": {"Ref": "DeadLetters"},
        "QueueStreamDeadLetters": {"Ref": "StreamDeadLetters"},
        "QueueFacts": {"Ref": "Facts"},
        "WorkflowRetrying": {"Ref": "Retrying"},
        "WorkflowMapping": {"Ref": "Mapping"},
        "WorkflowWaiting": {"Ref": "Waiting"},
        "EventBusFacts": {"Ref": "Bus"},
        "ApiId": {"Ref": "Rest"},
        "ApiStage": {"Ref": "Stage"},
        "KeyArn": _att("Key"),
        "SigningKeyArn": _att("SigningKey"),
        "SecretRef": {"Ref": "Secret"},
        "IssuersGiven": {"Ref": "Issuers"},
        "UrlGiven": {"Ref": "PublicUrl"},
    }
    functions = ("Task", "Slow", "Outside", "Elsewhere", "Reach", "Batch")
    values |= {f"Function{name}": {"Ref": name} for name in functions}
    return {key: {"Value": value} for key, value in values.items()}


def _zipped(folder, archive):
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(folder.rglob("*.py")):
            target.write(path, path.relative_to(folder))
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def write_assembly(out, *, change=None):
    """Write the probe stack as a cloud assembly in ``out``; ``change`` may edit the template."""
    out.mkdir(parents=True, exist_ok=True)
    code, layer = out / "code", out / "layer" / "python"
    code.mkdir(exist_ok=True)
    layer.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "probe.py", code / "probe.py")
    (layer / "layered.py").write_text('WORD = "from the layer"\n', encoding="utf-8")
    files, places = {}, {}
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-eu-west-3"
    for name, folder in (("function", code), ("layer", out / "layer")):
        archive = out / f"{name}.zip"
        digest = _zipped(folder, archive)
        places[name] = {"S3Bucket": bucket, "S3Key": f"{digest}.zip"}
        files[digest] = {
            "source": {"path": archive.name, "packaging": "file"},
            "destinations": {
                "here": {
                    "bucketName": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}",
                    "objectKey": f"{digest}.zip",
                }
            },
        }
    template = {
        "Parameters": {
            "Issuers": {"Type": "String", "Default": "{}"},
            "PublicUrl": {"Type": "String", "Default": ""},
        },
        "Resources": {
            **_data(),
            **_messaging(),
            **_functions({"function": places["function"], "layer": places["layer"]}),
            **_workflows(),
            **_api(),
        },
        "Outputs": _outputs(),
    }
    template["Resources"]["Layer"]["Properties"]["Content"] = places["layer"]
    if change:
        change(template)
    (out / f"{NAME}.template.json").write_text(json.dumps(template), encoding="utf-8")
    (out / f"{NAME}.assets.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    artifacts = {
        f"{NAME}.assets": {
            "type": "cdk:asset-manifest",
            "properties": {"file": f"{NAME}.assets.json"},
        },
        NAME: {
            "type": "aws:cloudformation:stack",
            "properties": {"templateFile": f"{NAME}.template.json", "stackName": NAME},
            "dependencies": [f"{NAME}.assets"],
        },
    }
    manifest = {"version": "48.0.0", "artifacts": artifacts}
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return out
