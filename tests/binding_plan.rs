//! How methods are answered without code, for APIs of many styles: what is inferred, why, and what
//! is left open. The expectations stand in the fixtures, a line `//= …` above each method.

use std::{fs, path::Path};

use reflectd::{
    Schema,
    binding::{AnsweredBy, Bind, MethodPlan, Op, Plan},
};

#[test]
fn every_method_is_read_as_its_fixture_says() {
    for name in ["wrapped", "bare", "numbers", "library", "ambiguous"] {
        let path = fixture(name);
        let expected = expectations(&fs::read_to_string(&path).unwrap());
        let plan = plan(&path);
        let found: Vec<String> = plan.methods().map(told).collect();
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}

#[test]
fn what_a_plan_says_would_mend_it_does() {
    let mut mended = 0;
    for name in ["wrapped", "bare", "numbers", "library", "ambiguous"] {
        let schema = schema(&fixture(name));
        let plan = Plan::infer(&schema, &[]).unwrap();
        for method in plan.methods() {
            let Some(fix) = method.fix() else { continue };
            assert_eq!(method.answered_by(), AnsweredBy::Nothing);
            let bind: Bind = fix.strip_prefix("--bind ").unwrap().parse().unwrap();
            let plan = Plan::infer(&schema, std::slice::from_ref(&bind)).unwrap();
            let path = method.path();
            let method = plan.methods().find(|m| m.path() == path).unwrap();
            assert_eq!(method.op(), Some(bind.op()), "{fix}");
            assert_eq!(method.resource(), Some(bind.resource()), "{fix}");
            assert!(method.reason().contains(", bound by hand"), "{fix}");
            mended += 1;
        }
    }
    assert!(mended > 10, "only {mended} methods had a mend to try");
}

#[test]
fn a_name_that_fits_too_many_resources_tells_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("things.proto");
    let create = |i| format!("rpc Create{i}(A{i}Thing) returns (A{i}Thing);");
    let thing = |i| format!("message A{i}Thing {{ string id = 1; }}");
    for (number, why) in [
        (100, "it may be about `A0Thing` as well as `A99Thing`"),
        (101, "it may be about any of more than 100 resources"),
    ] {
        let creates: String = (0..number).map(create).collect();
        let things: String = (0..number).map(thing).collect();
        let source = format!(
            "syntax = \"proto3\"; package things; service Things {{ {creates} }} {things} \
             service Bin {{ rpc DeleteThing(Key) returns (Key); }} message Key {{ string id = 1; }}"
        );
        fs::write(&file, source).unwrap();
        let plan = plan(&file);
        let delete = plan.methods().find(|method| method.name() == "DeleteThing");
        let delete = delete.unwrap();
        assert_eq!(delete.answered_by(), AnsweredBy::Nothing);
        assert_eq!(delete.reason(), why);
        assert!(delete.fix().is_some());
    }
}

#[test]
fn the_table_fits_its_width_and_loses_nothing() {
    let plan = plan(Path::new("proto/user.proto"));
    assert_eq!(
        plan.table(100),
        "\
user.UserInfo
  addUser  create User by id  User → UserId: `UserId` is a key of `User` (Value ↔ id)
  getUser  get User by id     UserId → User: `UserId` is a key of `User` (Value ↔ id)
"
    );
    assert_eq!(plan.to_string(), plan.table(100));
    let plan = self::plan(&fixture("wrapped"));
    let words =
        |table: &str| -> Vec<String> { table.split_whitespace().map(str::to_owned).collect() };
    let whole = words(&plan.to_string());
    for width in [0, 20, 60, 80, 100, 200] {
        let table = plan.table(width);
        let mut found = words(&table);
        let mut expected = whole.clone();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "at {width}");
        let too_long = |line: &&str| line.chars().count() > width.max(44);
        let breakable = |line: &&str| !line.contains("--bind");
        let long = table.lines().filter(too_long).find(breakable);
        assert_eq!(long, None, "at {width}");
    }
}

#[test]
fn a_binding_by_hand_says_what_is_wrong_with_it() {
    let form = "the form is Service/method=op:Resource, for example \
                user.UserInfo/addUser=create:user.User, with one of create, get, list, update, \
                delete as op";
    for (text, wrong) in [
        ("addUser", "there is no `=`"),
        (
            "addUser=create:User",
            "there is no `/` between service and method",
        ),
        (
            "UserInfo/addUser=create",
            "there is no `:` between operation and resource",
        ),
        ("UserInfo/addUser=make:User", "`make` is no operation"),
        (
            "UserInfo/=create:User",
            "service, method and resource must be names",
        ),
    ] {
        let error = text.parse::<Bind>().unwrap_err();
        assert!(error.is_configuration());
        assert_eq!(error.to_string(), format!("--bind {text}: {wrong}; {form}"));
    }
    let schema = schema(Path::new("proto/user.proto"));
    for (text, wrong) in [
        (
            "UserInf/addUser=create:User",
            "there is no service `UserInf`; did you mean `UserInfo`?",
        ),
        (
            "user.UserInfo/adUser=create:User",
            "user.UserInfo has no method `adUser`; did you mean `addUser`?",
        ),
        (
            "UserInfo/addUser=create:user.Usr",
            "there is no message type `user.Usr`; did you mean `user.User`?",
        ),
        (
            "UserInfo/addUser=list:User",
            "the method cannot do that: `UserId` does not repeat `User` in one field",
        ),
        (
            "UserInfo/addUser=create:UserList",
            "user.UserList has no field that can be its key (`id`, `<resource>_id`, `name`, \
             `key` or `uid`, a string or an integer)",
        ),
    ] {
        let bind: Bind = text.parse().unwrap();
        assert_eq!(bind.to_string(), text);
        let error = Plan::infer(&schema, &[bind]).unwrap_err();
        assert_eq!(error.to_string(), format!("--bind {text}: {wrong}"));
    }
}

#[test]
fn a_binding_by_hand_wins_over_what_is_inferred() {
    let schema = schema(&fixture("wrapped"));
    let bind: Bind = "/Users/GetUserByEmail=get:User".parse().unwrap();
    let plan = Plan::infer(&schema, std::slice::from_ref(&bind)).unwrap();
    let by_email = plan
        .methods()
        .find(|m| m.name() == "GetUserByEmail")
        .unwrap();
    assert_eq!(by_email.op(), Some(Op::Get));
    assert_eq!(
        by_email.key(),
        Some("email"),
        "who binds it says what the key is"
    );
    let error = Plan::infer(&schema, &[bind.clone(), bind]).unwrap_err();
    assert!(error.to_string().contains("bound twice"), "{error}");
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new("tests/fixtures/binding").join(format!("{name}.proto"))
}

fn schema(path: &Path) -> Schema {
    Schema::compile([path], [""; 0]).unwrap()
}

fn plan(path: &Path) -> Plan {
    Plan::infer(&schema(path), &[]).unwrap()
}

/// What the fixture expects of each of its methods, in order.
fn expectations(source: &str) -> Vec<String> {
    let mut lines = source.lines().map(str::trim).peekable();
    let mut expected = Vec::new();
    while let Some(line) = lines.next() {
        let Some(expectation) = line.strip_prefix("//= ") else {
            assert!(!line.starts_with("rpc "), "no expectation above {line}");
            continue;
        };
        let rpc = lines.next().unwrap();
        let name = rpc.strip_prefix("rpc ").unwrap().split('(').next().unwrap();
        expected.push(format!("{name}: {expectation}"));
    }
    expected
}

/// A method as the fixtures tell of it.
fn told(method: &MethodPlan) -> String {
    let name = method.name();
    let what = match (method.op(), method.resource(), method.key()) {
        (Some(op), Some(resource), Some(key)) => {
            let resource = resource.rsplit('.').next().unwrap();
            format!("{op} {resource} by {key}")
        }
        _ => method.answered_by().to_string(),
    };
    let fix = method.fix().map(|fix| format!("; {fix}"));
    format!(
        "{name}: {what}: {}{}",
        method.reason(),
        fix.unwrap_or_default()
    )
}
