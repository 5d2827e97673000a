"""What the templates of every stage promise, read from the templates themselves."""

from __future__ import annotations

import json
import re

import pytest

from infra.cdk import catalogue, rights, routes
from infra.cdk.parts.grants import ANY_RESOURCE
from infra.cdk.rights import SETTINGS
from tests.infra.conftest import ROOT

FUNCTIONS = rights.read(ROOT)
ENCRYPTS = {
    **{f"table:{name}": spec.key for name, spec in catalogue.TABLES.items()},
    **{f"bucket:{name}": spec.key for name, spec in catalogue.BUCKETS.items()},
    **{f"secret:{name}": each.key for name, each in catalogue.SECRETS.items()},
}


def actions(statement: dict) -> list[str]:
    found = statement["Action"]
    return found if isinstance(found, list) else [found]


def resources(statement: dict) -> list:
    found = statement["Resource"]
    return found if isinstance(found, list) else [found]


# --- rights


def test_no_identity_is_given_a_star_action(assembly):
    assert assembly.statements
    for role, statement in assembly.statements:
        for action in actions(statement):
            assert "*" not in action, role


def test_only_actions_without_resources_are_given_on_every_resource(assembly):
    for role, statement in assembly.statements:
        if statement["Effect"] == "Allow" and "*" in resources(statement):
            assert set(actions(statement)) <= set(ANY_RESOURCE), role


def test_whoever_may_send_an_sms_may_not_publish_to_a_topic_by_it(assembly):
    sending = {
        role
        for role, each in assembly.statements
        if each["Effect"] == "Allow" and "sns:Publish" in actions(each) and "*" in resources(each)
    }
    denied = {
        role
        for role, each in assembly.statements
        if each["Effect"] == "Deny"
        and "sns:Publish" in actions(each)
        and "arn:*:sns:*:*:*" in resources(each)
    }
    assert sending == denied


def test_no_function_shares_a_role_or_has_a_managed_policy(assembly):
    functions = assembly.properties("AWS::Lambda::Function")
    roles = [json.dumps(each["Role"]) for each in functions.values()]
    assert len(set(roles)) == len(roles) == len(FUNCTIONS)
    for name, role in assembly.properties("AWS::IAM::Role").items():
        principal = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        if principal == "lambda.amazonaws.com":
            assert "ManagedPolicyArns" not in role, name


def test_key_policies_delegate_to_the_account_alone(assembly):
    for name, key in assembly.properties("AWS::KMS::Key", "data").items():
        for statement in key["KeyPolicy"]["Statement"]:
            assert json.dumps(statement["Principal"]).endswith(':root"]]}}'), name


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.name)
def test_whoever_reads_encrypted_data_may_use_its_key(function):
    for resource in function.rights:
        key = ENCRYPTS.get(resource)
        if key is not None:
            assert f"key:{key}" in function.rights, f"{function.name}: {resource} is under {key}"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.name)
def test_whoever_writes_objects_may_make_data_keys(function):
    for resource, granted in function.rights.items():
        if resource.startswith("bucket:") and "s3:PutObject" in granted:
            assert "kms:GenerateDataKey" in function.rights.get(f"key:{ENCRYPTS[resource]}", [])


# --- data


def test_every_table_is_under_its_key_and_restorable_to_the_second(assembly):
    tables = assembly.properties("AWS::DynamoDB::Table")
    assert len(tables) == len(catalogue.TABLES)
    for name, table in tables.items():
        assert table["SSESpecification"]["SSEType"] == "KMS", name
        spec = next(each for key, each in catalogue.TABLES.items() if f"tables{key}" in name)
        assert f"keys{spec.key}" in json.dumps(table["SSESpecification"]["KMSMasterKeyId"]), name
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
        assert ("StreamSpecification" in table) == spec.stream, name


def test_data_of_prod_outlives_its_stack(prod):
    for table in prod.properties("AWS::DynamoDB::Table").values():
        assert table["DeletionProtectionEnabled"] is True
    for kind in (
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::KMS::Key",
        "AWS::SecretsManager::Secret",
    ):
        for name, each in prod.of(kind, "data").items():
            assert each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain", name
    manifest = json.loads((prod.folder / "manifest.json").read_text())
    for name in ("data", "imports", "api", "operations"):
        assert (
            manifest["artifacts"][f"dmp-prod-{name}"]["properties"]["terminationProtection"] is True
        )


def test_every_bucket_is_private_versioned_and_under_its_key(assembly):
    buckets = assembly.properties("AWS::S3::Bucket")
    assert len(buckets) == len(catalogue.BUCKETS)
    for name, bucket in buckets.items():
        spec = next(each for key, each in catalogue.BUCKETS.items() if f"buckets{key}" in name)
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["BucketKeyEnabled"] is True
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert f"keys{spec.key}" in json.dumps(
            rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        )
        assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"),
            True,
        )
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_no_bucket_answers_without_tls(assembly):
    policies = {
        policy["Bucket"]["Ref"]: policy["PolicyDocument"]["Statement"]
        for policy in assembly.properties("AWS::S3::BucketPolicy").values()
    }
    for name in assembly.of("AWS::S3::Bucket"):
        assert any(
            each["Effect"] == "Deny"
            and each["Principal"] == {"AWS": "*"}
            and each["Action"] == "s3:*"
            and each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for each in policies[name.partition("/")[2]]
        ), name


def test_no_bucket_policy_allows_the_public_anything(assembly):
    for policy in assembly.properties("AWS::S3::BucketPolicy").values():
        for each in policy["PolicyDocument"]["Statement"]:
            assert each["Effect"] == "Deny" or each["Principal"] != {"AWS": "*"}


def test_the_audit_bucket_is_locked(assembly):
    (audit,) = (
        each
        for name, each in assembly.properties("AWS::S3::Bucket").items()
        if "bucketsaudit" in name
    )
    assert audit["ObjectLockEnabled"] is True
    retention = audit["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    if assembly.stage == "prod":
        assert retention["Mode"] == "COMPLIANCE"
        assert retention["Days"] >= 10 * 365
    else:
        assert retention["Mode"] == "GOVERNANCE"


def test_quarantine_forgets_after_a_week(assembly):
    (quarantine,) = (
        each
        for name, each in assembly.properties("AWS::S3::Bucket").items()
        if "bucketsquarantine" in name
    )
    assert 7 in [
        rule.get("ExpirationInDays") for rule in quarantine["LifecycleConfiguration"]["Rules"]
    ]


def test_keys_rotate(assembly):
    keys = assembly.properties("AWS::KMS::Key")
    assert len(keys) == len(catalogue.KEYS) + 1  # and the one of the alarms' topic
    signing = [each for each in keys.values() if each.get("KeyUsage") == "SIGN_VERIFY"]
    assert len(signing) == len(catalogue.SIGNING_KEYS)
    assert {each["KeySpec"] for each in signing} == {"ECC_NIST_P256"}
    assert all(each["EnableKeyRotation"] for each in keys.values() if each not in signing)


def test_secrets_are_random_and_encrypted_under_their_key(assembly):
    secrets = assembly.properties("AWS::SecretsManager::Secret")
    assert len(secrets) == len(catalogue.SECRETS)
    for name, spec in catalogue.SECRETS.items():
        (secret,) = (each for path, each in secrets.items() if f"secrets{name}" in path)
        assert secret["GenerateSecretString"]["PasswordLength"] == 64
        assert f"keys{spec.key}" in json.dumps(secret["KmsKeyId"])


# --- queues, rules, workflows


def test_every_queue_has_dead_letters_or_is_one(assembly):
    queues = assembly.properties("AWS::SQS::Queue")
    targets = {
        each["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for each in queues.values()
        if "RedrivePolicy" in each
    }
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True, name
        if queue["QueueName"].endswith("-dead-letters"):
            assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
            shared = queue["RedriveAllowPolicy"]["redrivePermission"] == "denyAll"
            assert shared or name.partition("/")[2] in targets, name
        else:
            assert queue["RedrivePolicy"]["maxReceiveCount"] >= 3, name


def test_each_queue_has_one_policy_that_asks_for_tls(assembly):
    policed = []
    for policy in assembly.properties("AWS::SQS::QueuePolicy").values():
        policed += [each["Ref"] for each in policy["Queues"]]
        assert any(
            each["Effect"] == "Deny"
            and each.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            for each in policy["PolicyDocument"]["Statement"]
        )
    assert sorted(policed) == sorted(
        name.partition("/")[2] for name in assembly.of("AWS::SQS::Queue")
    )


def test_a_message_is_hidden_for_six_times_what_its_consumer_may_take(assembly):
    queues = {
        each["QueueName"]: each["VisibilityTimeout"]
        for each in assembly.properties("AWS::SQS::Queue").values()
        if "VisibilityTimeout" in each
    }
    consumers = [each for each in FUNCTIONS if each.kind == "queue"]
    assert consumers
    for function in consumers:
        name = f"dmp-{assembly.stage}-{function.entry.source.partition(':')[2]}"
        assert queues[name] >= 6 * function.timeout_seconds


def test_every_rule_target_keeps_what_it_cannot_hand_over(assembly):
    for name, rule in assembly.properties("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            assert "DeadLetterConfig" in target, name


def test_every_fact_of_the_contract_that_somebody_waits_for_has_a_rule(assembly):
    routed = set()
    for rule in assembly.properties("AWS::Events::Rule").values():
        routed |= set(rule["EventPattern"]["detail-type"])
    assert {
        "record.opened.v1",
        "document.published.v1",
        "history.imported.v1",
        "consent.changed.v1",
        "upload.rejected.v1",
        "Object Created",
    } <= routed


def test_stream_and_queue_functions_report_partial_failures(assembly):
    mappings = assembly.properties("AWS::Lambda::EventSourceMapping")
    assert len(mappings) == sum(each.kind in ("stream", "queue") for each in FUNCTIONS)
    for name, mapping in mappings.items():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
        if "StartingPosition" in mapping:
            assert "OnFailure" in mapping["DestinationConfig"], name
            assert mapping["MaximumRetryAttempts"] >= 1, name


def test_every_workflow_logs_and_traces_without_its_data(assembly):
    machines = assembly.properties("AWS::StepFunctions::StateMachine")
    assert machines
    for name, machine in machines.items():
        assert machine["TracingConfiguration"] == {"Enabled": True}, name
        assert machine["LoggingConfiguration"]["Level"] == "ALL", name
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False, name
        used = set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"]))
        assert used == set(machine.get("DefinitionSubstitutions", {})), name


def test_the_landing_bucket_is_swept_on_a_schedule(assembly):
    schedules = {
        each["Name"]: each for each in assembly.properties("AWS::Scheduler::Schedule").values()
    }
    schedule = schedules[f"dmp-{assembly.stage}-sweep-landing"]
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Paris"
    assert "DeadLetterConfig" in schedule["Target"]


# --- functions


def test_every_function_traces_runs_on_arm_and_writes_to_its_own_log_group(assembly):
    functions = assembly.properties("AWS::Lambda::Function")
    assert {each["FunctionName"] for each in functions.values()} == {
        f"dmp-{assembly.stage}-{each.name}" for each in FUNCTIONS
    }
    for name, function in functions.items():
        assert function["Runtime"] == "python3.13", name
        assert function["Architectures"] == ["arm64"], name
        assert function["TracingConfig"] == {"Mode": "Active"}, name
        assert 1 <= len(function["Layers"]) <= 5, name
        assert len(json.dumps(function["Environment"])) < 4096, name
    groups = {json.dumps(each["LoggingConfig"]["LogGroup"]) for each in functions.values()}
    assert len(groups) == len(functions)


def test_every_log_group_forgets_in_time(assembly):
    expected = {"local": 7, "dev": 30, "prod": 365}[assembly.stage]
    groups = assembly.properties("AWS::Logs::LogGroup")
    assert len(groups) >= len(FUNCTIONS)
    assert {each["RetentionInDays"] for each in groups.values()} == {expected}


def test_every_function_has_its_alarms(assembly):
    watched = {}
    for alarm in assembly.properties("AWS::CloudWatch::Alarm").values():
        if alarm["Namespace"] == "AWS/Lambda":
            (dimension,) = alarm["Dimensions"]
            watched.setdefault(dimension["Value"], set()).add(alarm["MetricName"])
            assert alarm["AlarmActions"], alarm["AlarmName"]
    for function in FUNCTIONS:
        expected = {"Errors", "Throttles", "Duration"} | (
            {"IteratorAge"} if function.kind == "stream" else set()
        )
        assert watched[f"dmp-{assembly.stage}-{function.name}"] == expected


def test_a_function_knows_what_it_has_rights_on_and_no_more(assembly):
    by_name = {
        each["FunctionName"]: each for each in assembly.properties("AWS::Lambda::Function").values()
    }
    for function in FUNCTIONS:
        told = set(by_name[f"dmp-{assembly.stage}-{function.name}"]["Environment"]["Variables"])
        named = [*function.rights, *([function.entry.source] if function.entry.source else [])]
        resources_told = {
            catalogue.variable(*resource.split(":"))
            for resource in named
            if not resource.startswith(("ses:", "sns:"))
        }
        general = {name for name in told if name.startswith("POWERTOOLS_")} | set(SETTINGS)
        assert resources_told <= told
        assert told - resources_told <= general


def test_only_local_and_dev_accept_lenient_identities(assembly):
    for function in assembly.properties("AWS::Lambda::Function").values():
        lenient = function["Environment"]["Variables"]["DMP_LENIENT_IDENTITY"]
        assert lenient == ("false" if assembly.stage == "prod" else "true")


# --- the API


def test_methods_without_an_authorizer_are_exactly_the_public_routes(assembly):
    table = routes.read(ROOT, FUNCTIONS)
    paths = _paths(assembly)
    open_methods = {
        (method["HttpMethod"], paths[_id(method["ResourceId"])])
        for method in assembly.properties("AWS::ApiGateway::Method").values()
        if method["AuthorizationType"] == "NONE" and method["HttpMethod"] != "OPTIONS"
    }
    assert open_methods == {(each.method, each.path) for each in routes.public(table)}


def test_every_route_is_a_method_of_its_area(assembly):
    table = routes.read(ROOT, FUNCTIONS)
    paths = _paths(assembly)
    methods = {
        (method["HttpMethod"], paths[_id(method["ResourceId"])]): json.dumps(
            method["Integration"]["Uri"]
        )
        for method in assembly.properties("AWS::ApiGateway::Method").values()
        if method["HttpMethod"] not in ("OPTIONS", "ANY")
    }
    assert set(methods) == {(each.method, each.path) for each in table}
    for each in table:
        assert f"{each.area}{each.module}Function" in methods[each.method, each.path].replace(
            "-", ""
        )


def test_a_preflight_is_not_integrated_with_anything(assembly):
    for method in assembly.properties("AWS::ApiGateway::Method").values():
        if method["HttpMethod"] == "OPTIONS":
            assert method["Integration"]["Type"] == "MOCK"


def test_access_logs_hold_the_route_and_nobody(assembly):
    (stage,) = assembly.properties("AWS::ApiGateway::Stage").values()
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert logged["route"] == "$context.resourcePath"
    for value in logged.values():
        assert not re.search(
            r"identity|authorizer\.(?!status)|\$context\.path|caller|user|domain", value
        ), value
    for setting in stage["MethodSettings"]:
        assert setting["DataTraceEnabled"] is False
        assert setting["ThrottlingRateLimit"] > 0


def test_what_the_gateway_answers_is_an_outcome_and_a_problem(assembly):
    answers = {
        each["ResponseType"]: each
        for each in assembly.properties("AWS::ApiGateway::GatewayResponse").values()
    }
    for kind, status in (
        ("UNAUTHORIZED", 401),
        ("ACCESS_DENIED", 403),
        ("REQUEST_TOO_LARGE", 413),
        ("THROTTLED", 429),
        ("MISSING_AUTHENTICATION_TOKEN", 404),
        ("DEFAULT_5XX", 500),
    ):
        (text,) = answers[kind]["ResponseTemplates"].values()
        body = json.loads(text)
        assert "$" not in text  # nothing of the request or of the error comes back
        assert body["resourceType"] == "OperationOutcome"
        assert body["issue"][0]["severity"] == "error"
        assert body["type"].startswith("urn:dmp:problem/")
        assert body["title"]
        assert body["status"] == status


def test_bodies_of_any_type_reach_the_functions(assembly):
    (api,) = assembly.properties("AWS::ApiGateway::RestApi").values()
    assert api["BinaryMediaTypes"] == ["*/*"]


def test_the_waf_stands_before_the_api_in_aws(assembly):
    associated = assembly.of("AWS::WAFv2::WebACLAssociation")
    assert len(associated) == (0 if assembly.stage == "local" else 1)


def test_the_waf_asks_for_a_token_exactly_where_the_routes_do(prod):
    (acl,) = prod.properties("AWS::WAFv2::WebACL").values()
    rules = {each["Name"]: each for each in acl["Rules"]}
    for route in routes.read(ROOT, FUNCTIONS):
        path = re.sub(r"\{\w+\}", "x1-2.3", route.path)
        for uri in (path, f"/v1{path}"):
            fhir, rest = (
                _matches(rules[name]["Statement"], route.method, uri, token=False)
                for name in ("fhir-without-token", "without-token")
            )
            under_fhir = path == "/fhir" or path.startswith("/fhir/")
            assert fhir == (not route.public and under_fhir), (route.method, uri)
            assert rest == (not route.public and not under_fhir), (route.method, uri)
            for name in ("fhir-without-token", "without-token"):
                assert not _matches(rules[name]["Statement"], route.method, uri, token=True)
                assert not _matches(rules[name]["Statement"], "OPTIONS", uri, token=False)


def test_what_the_waf_refuses_has_the_form_of_the_path(prod):
    (acl,) = prod.properties("AWS::WAFv2::WebACL").values()
    bodies = {
        name: json.loads(each["Content"]) for name, each in acl["CustomResponseBodies"].items()
    }
    for rule, member in (("fhir-without-token", "resourceType"), ("without-token", "title")):
        (found,) = (each for each in acl["Rules"] if each["Name"] == rule)
        response = found["Action"]["Block"]["CustomResponse"]
        assert response["ResponseCode"] == 401
        assert member in bodies[response["CustomResponseBodyKey"]]
    assert "resourceType" not in bodies["problem"]


# --- stacks


def test_no_stack_is_near_the_limit_of_cloudformation(assembly):
    for part, template in assembly.templates.items():
        assert len(template["Resources"]) < 450, part
        assert len(json.dumps(template)) < 1_000_000, part


def test_no_account_region_or_address_is_written_in_a_template(assembly):
    for part, template in assembly.templates.items():
        text = json.dumps(template)
        assert not re.search(r"\b\d{12}\b", text), part
        assert not re.search(r"\b(eu|us|ap)-(west|east|north|south|central)-\d\b", text), part
        assert str(ROOT) not in text, part


def test_outputs_have_the_names_that_others_read(assembly):
    data, imports, api = (
        set(assembly.templates[part]["Outputs"]) for part in ("data", "imports", "api")
    )
    pascal = catalogue.pascal
    assert {f"Table{pascal(each)}" for each in catalogue.TABLES} <= data
    assert {f"Bucket{pascal(each)}" for each in catalogue.BUCKETS} <= data
    assert {f"Key{pascal(each)}" for each in catalogue.KEYS} <= data
    assert {"EventBusFacts", "SecretPseudonyms"} <= data
    for each in catalogue.QUEUES:
        assert {f"Queue{pascal(each)}", f"Queue{pascal(each)}DeadLetters"} <= imports
    assert {"ApiId", "ApiStage", "ApiUrl"} <= api


def _id(reference: dict) -> str:
    return reference.get("Ref") or reference["Fn::GetAtt"][0]


def _paths(assembly) -> dict[str, str]:
    """Logical id of an API resource -> its path."""
    found = {
        name.partition("/")[2]: each
        for name, each in assembly.properties("AWS::ApiGateway::Resource").items()
    }

    def path(logical: str) -> str:
        if logical not in found:
            return ""  # the API itself
        return f"{path(_id(found[logical]['ParentId']))}/{found[logical]['PathPart']}"

    return {logical: path(logical) for logical in found} | {
        name.partition("/")[2]: "/" for name in assembly.of("AWS::ApiGateway::RestApi")
    }


def _matches(statement: dict, method: str, uri: str, *, token: bool) -> bool:
    """Whether a WAF statement matches a request, for the statements that we use."""
    ((kind, inner),) = statement.items()
    match kind:
        case "AndStatement":
            return all(_matches(each, method, uri, token=token) for each in inner["Statements"])
        case "NotStatement":
            return not _matches(inner["Statement"], method, uri, token=token)
        case "RegexMatchStatement":
            return re.search(inner["RegexString"], uri) is not None
        case "ByteMatchStatement":
            return inner["SearchString"] == method
        case "SizeConstraintStatement":
            return token
    raise AssertionError(kind)
