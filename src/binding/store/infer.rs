//! What a method does, read off its types first and its name second.
//!
//! The types tell which operations on which resources a method *could* be: `User → UserId` can
//! store a user, delete one, but not look one up. The verb tells which of these it is, the noun
//! that it is that resource's. What one reading alone explains is bound; what none or several do,
//! is not, and the reason says what is missing.

use std::collections::{HashMap, HashSet};

use super::{
    Op, Operation, StoreBinding,
    catalog::{Candidates, Catalog},
    name::{MethodName, TypeName, Verb},
    request::Told,
    resource::Resource,
};
use crate::{
    Error,
    binding::{
        Bind, MethodPlan,
        bind::Decided,
        method_plan::{Answer, Unclear},
    },
    limits,
    schema::{MessageType, Method, MethodKind, Schema},
};

/// Decides for every method of a schema.
///
/// # Errors
/// If an override names what is not there, or what the method's types cannot do.
pub(in crate::binding) fn infer(
    schema: &Schema,
    overrides: &[Bind],
) -> Result<Vec<MethodPlan>, Error> {
    let mut by_hand: HashMap<String, (&Bind, Decided)> = HashMap::new();
    for bind in overrides {
        let decided = bind.decide(schema)?;
        let path = decided.method.path().to_owned();
        if let Some((other, _)) = by_hand.insert(path, (bind, decided)) {
            return Err(bind.error(&format!("the method is bound twice, also by {other}")));
        }
    }
    let decided: Vec<&Decided> = by_hand.values().map(|(_, decided)| decided).collect();
    let catalog = Catalog::of(schema, &decided);
    let plan = |method: &Method| {
        let answer = match by_hand.get(method.path()) {
            Some((bind, decided)) => as_told(bind, decided, &catalog)?,
            None => as_read(method, &catalog),
        };
        Ok(MethodPlan::new(method.clone(), answer))
    };
    let mut plans: Vec<MethodPlan> = schema.methods().map(plan).collect::<Result<_, Error>>()?;
    tell_what_nobody_creates(&mut plans);
    Ok(plans)
}

/// What can only be looked up will not be found: worth a word.
fn tell_what_nobody_creates(plans: &mut [MethodPlan]) {
    let created: HashSet<String> = plans
        .iter()
        .filter(|plan| plan.op() == Some(Op::Create))
        .filter_map(|plan| plan.resource().map(str::to_owned))
        .collect();
    for plan in plans {
        if plan.resource().is_some_and(|of| !created.contains(of)) {
            plan.add_to_reason(", but no method creates one");
        }
    }
}

/// A method that a person decided about.
fn as_told(bind: &Bind, decided: &Decided, catalog: &Catalog) -> Result<Answer, Error> {
    let Decided {
        method,
        op,
        resource,
    } = decided;
    if method.kind() != MethodKind::Unary {
        return Err(bind.error(&streaming(method)));
    }
    let Some(resource) = catalog.resource(resource) else {
        let name = resource.full_name();
        return Err(bind.error(&format!("{name} has no field that can be its key ({KEYS})")));
    };
    let operation = Operation::fit(*op, method, resource, Told::ByHand)
        .map_err(|misfit| bind.error(&format!("the method cannot do that: {misfit}")))?;
    let mut answer = answer(method, resource, operation, Told::ByHand);
    if let Answer::Store { why, .. } = &mut answer {
        *why += ", bound by hand";
    }
    Ok(answer)
}

/// A method that is read by its types and its name.
fn as_read(method: &Method, catalog: &Catalog) -> Answer {
    if BUILT_IN.contains(&method.service()) {
        return Answer::BuiltIn;
    }
    if method.kind() != MethodKind::Unary {
        return Answer::Nothing(Unclear::new(streaming(method)));
    }
    let name = MethodName::parse(method.name());
    let candidates = catalog.candidates(method, &name);
    if candidates.too_many {
        let max = limits::INFERENCE_RESOURCES_MAX;
        let why = format!("it may be about any of more than {max} resources");
        let fix = fix(method, &name, &candidates);
        return Answer::Nothing(Unclear::with_fix(why, fix.as_ref()));
    }
    let mut readings = Vec::new();
    for resource in &candidates.spoken_of {
        for &op in promised(&name, resource, catalog) {
            if let Ok(operation) = read(op, method, &name, resource) {
                readings.push((*resource, operation));
            }
        }
    }
    match (readings.pop(), readings.as_slice()) {
        (None, _) => Answer::Nothing(unclear(method, &name, &candidates, catalog)),
        (Some((resource, operation)), []) => answer(method, resource, operation, Told::ByShape),
        (Some((resource, operation)), [(other, _), ..]) => {
            let (one, other) = (resource.message_type().name(), other.message_type().name());
            let why = format!("it may be about `{other}` as well as `{one}`");
            let fix = Bind::of(method, operation.op(), resource.message_type());
            Answer::Nothing(Unclear::with_fix(why, Some(&fix)))
        }
    }
}

fn answer(method: &Method, resource: &Resource, operation: Operation, told: Told) -> Answer {
    Answer::Store {
        why: operation.reason(method, resource),
        binding: StoreBinding {
            operation: operation.into(),
            resource: resource.clone(),
            told,
        },
    }
}

/// The operations that a name promises.
fn promised(name: &MethodName, resource: &Resource, catalog: &Catalog) -> &'static [Op] {
    match name.verb {
        // `save` stores what is new or replaces what is old, and only one of them is left if
        // another method is there for the other.
        Some(Verb::Save) if catalog.has(resource, Op::Create) => &[Op::Update],
        Some(Verb::Save) if catalog.has(resource, Op::Update) => &[Op::Create],
        // No operation does both.
        Some(Verb::Save | Verb::Upsert) => &[],
        Some(verb) => verb.ops(),
        // `User(UserId)`, `Users(Empty)`: a name without a verb, that is just the resource's.
        None if !name.is_bare() => &[Op::Get, Op::List],
        None => &[],
    }
}

/// Reads a method as an operation, in which nothing may be left open.
fn read(
    op: Op,
    method: &Method,
    name: &MethodName,
    resource: &Resource,
) -> Result<Operation, String> {
    let operation = Operation::fit(op, method, resource, Told::ByShape)?;
    match &operation {
        Operation::Update(update) if name.verb == Some(Verb::Patch) && !update.has_mask() => {
            Err("a patch without a field mask does not tell which fields to keep".to_owned())
        }
        Operation::List(list)
            if (name.verb == Some(Verb::Search) || name.has_by) && !list.is_of_all() =>
        {
            Err("nothing tells how to search".to_owned())
        }
        Operation::List(_) if name.has_by => Err("nothing tells how to search".to_owned()),
        _ => Ok(operation),
    }
}

/// Why there is no reading, and the `--bind` that would be one.
fn unclear(
    method: &Method,
    name: &MethodName,
    candidates: &Candidates<'_>,
    catalog: &Catalog,
) -> Unclear {
    let why = match (
        &candidates.spoken_of[..],
        &candidates.mentioned[..],
        name.verb,
    ) {
        ([resource, ..], _, Some(verb)) => misfit(method, name, verb, resource, catalog),
        ([resource, ..], _, None) | ([], [resource, ..], None) => format!(
            "its name has no verb that tells what it does with `{}`",
            resource.message_type().name()
        ),
        ([], [resource, ..], Some(_)) => format!(
            "its name does not speak of `{}`, the resource in its types",
            resource.message_type().name()
        ),
        ([], [], _) => no_resource(method.input(), method.output()),
    };
    Unclear::with_fix(why, fix(method, name, candidates).as_ref())
}

fn no_resource(input: &MessageType, output: &MessageType) -> String {
    let neither = if input == output {
        format!("`{}` holds no", input.name())
    } else {
        format!("neither `{}` nor `{}` holds a", input.name(), output.name())
    };
    format!("{neither} resource, a message with a string or integer key like `id` or `name`")
}

/// What does not fit between a method that speaks of a resource, and its types.
fn misfit(
    method: &Method,
    name: &MethodName,
    verb: Verb,
    resource: &Resource,
    catalog: &Catalog,
) -> String {
    let of = resource.message_type();
    // `getUsers` with a reply that repeats users is a list that does not fit, not a get.
    let is_list = method.output() != of && method.output().fields().any(|field| field.is_list());
    let ops = promised(name, resource, catalog);
    let mut misfits = ops
        .iter()
        .filter(|op| ops.len() == 1 || (**op == Op::List) == is_list)
        .map(|&op| read(op, method, name, resource).err());
    match misfits.next().flatten() {
        Some(misfit) => misfit,
        None if verb == Verb::Upsert => format!(
            "it stores a new `{}` or replaces an old one, and no operation does both",
            of.name()
        ),
        None if verb == Verb::Save => format!(
            "it may store a new `{}` or replace an old one, and no other method does either",
            of.name()
        ),
        None => format!("its types do not tell what it does with `{}`", of.name()),
    }
}

/// The decision by hand that a method's types would allow, for the resource that it is likeliest to
/// be about.
fn fix(method: &Method, name: &MethodName, candidates: &Candidates<'_>) -> Option<Bind> {
    let Candidates {
        spoken_of,
        mentioned,
        ..
    } = candidates;
    let is_whole = |of: &MessageType| of == method.input() || of == method.output();
    let has_whole = mentioned
        .iter()
        .any(|resource| is_whole(resource.message_type()));
    let likely = mentioned.iter().filter(|resource| {
        let of = resource.message_type();
        let is_only = name.verb.is_some() && mentioned.len() == 1;
        is_whole(of) || !has_whole && (is_only || name.touches(&TypeName::parse(of.name())))
    });
    let verb = name.verb.or(name.hidden_verb);
    let ops = verb.map_or(Op::ALL.as_slice(), Verb::ops);
    spoken_of.iter().chain(likely).find_map(|resource| {
        let fits = |op: &&Op| Operation::fit(**op, method, resource, Told::ByHand).is_ok();
        let op = ops.iter().find(fits)?;
        Some(Bind::of(method, *op, resource.message_type()))
    })
}

fn streaming(method: &Method) -> String {
    format!(
        "it is a {} method; the store binding answers unary ones",
        method.kind().as_str().replace('_', "-")
    )
}

const KEYS: &str = "`id`, `<resource>_id`, `name`, `key` or `uid`, a string or an integer";

/// Services that a server brings along.
const BUILT_IN: &[&str] = &[
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];
