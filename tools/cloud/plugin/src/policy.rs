//! AWS IoT policy documents.
//!
//! Owns their parsing and evaluation: explicit deny, then allow, then deny. Actions and resources
//! may hold `*` and `?`; resources may hold the variables of [`Context`]. A document with a
//! condition, key or variable that this engine does not know is refused when it is made, never
//! ignored: an unknown condition would otherwise allow too much.

use serde_json::Value;

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    pub client: String,
    /// The thing of this connection: attached to the certificate, and named as the client.
    pub thing: Option<String>,
    /// Whether the certificate is attached to the thing that the client is named after.
    pub certificate: String,
}

impl Context {
    fn variable(&self, name: &str) -> Option<&str> {
        match name {
            "iot:ClientId" => Some(&self.client),
            "iot:CertificateId" => Some(&self.certificate),
            "iot:Connection.Thing.ThingName" => self.thing.as_deref(),
            "iot:Connection.Thing.IsAttached" => Some(if self.thing.is_some() {
                "true"
            } else {
                "false"
            }),
            _ => None,
        }
    }
}

const VARIABLES: [&str; 4] = [
    "iot:ClientId",
    "iot:CertificateId",
    "iot:Connection.Thing.ThingName",
    "iot:Connection.Thing.IsAttached",
];

/// A parsed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    /// Patterns hold `*` and `?` (StringLike), or are plain.
    like: bool,
    negated: bool,
    variable: String,
    values: Vec<String>,
}

impl Policy {
    /// Parses a document.
    ///
    /// # Errors
    /// Names what is malformed, or what this engine would have to ignore.
    pub fn parse(text: &str) -> Result<Policy, String> {
        let document: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let version = document.get("Version").and_then(Value::as_str);
        if !version.is_none_or(|v| v == "2012-10-17" || v == "2008-10-17") {
            return Err(format!("Version {}", document["Version"]));
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(list)) => list.iter().map(Statement::parse).collect(),
            Some(one @ Value::Object(_)) => Statement::parse(one).map(|s| vec![s]),
            _ => Err("no Statement".into()),
        }?;
        Ok(Policy { statements })
    }
}

/// What `policies` together say to `action` (`iot:Publish`) on `resource` (an ARN).
pub fn allows<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    context: &Context,
    action: &str,
    resource: &str,
) -> bool {
    let mut allowed = false;
    for statement in policies.into_iter().flat_map(|p| &p.statements) {
        if statement.applies(context, action, resource) {
            if !statement.allow {
                return false;
            }
            allowed = true;
        }
    }
    allowed
}

impl Statement {
    fn parse(value: &Value) -> Result<Statement, String> {
        let object = value.as_object().ok_or("a Statement is no object")?;
        for key in object.keys() {
            if !["Sid", "Effect", "Action", "Resource", "Condition"].contains(&key.as_str()) {
                return Err(format!("`{key}` in a Statement"));
            }
        }
        let allow = match value.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("Effect is Allow or Deny".into()),
        };
        let actions = strings(value.get("Action"), "Action")?;
        let resources = strings(value.get("Resource"), "Resource")?;
        if let Some(bad) = actions.iter().find(|a| *a != "*" && !a.starts_with("iot:")) {
            return Err(format!("action `{bad}`"));
        }
        for resource in &resources {
            variables(resource)?;
        }
        Ok(Statement {
            allow,
            actions,
            resources,
            conditions: conditions(value.get("Condition"))?,
        })
    }

    fn applies(&self, context: &Context, action: &str, resource: &str) -> bool {
        self.actions
            .iter()
            .any(|a| matches(&tokens(a, None), &action.to_ascii_lowercase(), true))
            && self
                .resources
                .iter()
                .any(|r| matches(&tokens(r, Some(context)), resource, false))
            && self.conditions.iter().all(|c| c.holds(context))
    }
}

impl Condition {
    fn holds(&self, context: &Context) -> bool {
        let Some(actual) = context.variable(&self.variable) else {
            // A key that is absent satisfies only the negated operators.
            return self.negated;
        };
        let any = self.values.iter().any(|v| {
            if self.like {
                matches(&tokens(v, None), actual, false)
            } else {
                v == actual
            }
        });
        any != self.negated
    }
}

fn conditions(value: Option<&Value>) -> Result<Vec<Condition>, String> {
    let mut out = Vec::new();
    let Some(value) = value else {
        return Ok(out);
    };
    let operators = value.as_object().ok_or("Condition is no object")?;
    for (operator, keys) in operators {
        let (like, negated) = match operator.as_str() {
            "Bool" | "StringEquals" => (false, false),
            "StringNotEquals" => (false, true),
            "StringLike" => (true, false),
            "StringNotLike" => (true, true),
            _ => return Err(format!("condition operator `{operator}` is not supported")),
        };
        for (variable, values) in keys.as_object().ok_or("Condition holds no keys")? {
            if !VARIABLES.contains(&variable.as_str()) {
                return Err(format!("condition key `{variable}` is not supported"));
            }
            let values = match values {
                Value::Bool(b) => vec![b.to_string()],
                other => strings(Some(other), "Condition")?,
            };
            out.push(Condition {
                like,
                negated,
                variable: variable.clone(),
                values,
            });
        }
    }
    Ok(out)
}

fn strings(value: Option<&Value>, what: &str) -> Result<Vec<String>, String> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    match value {
        Some(Value::String(s)) => Ok(vec![s.clone()]),
        Some(Value::Array(list)) if !list.is_empty() => list
            .iter()
            .map(|v| text(v).ok_or_else(|| format!("{what} holds {v}")))
            .collect(),
        _ => Err(format!("no {what}")),
    }
}

fn variables(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| format!("`{text}`: a variable without end"))?;
        if !VARIABLES.contains(&name) && !["*", "?", "$"].contains(&name) {
            return Err(format!("variable `${{{name}}}` is not supported"));
        }
        rest = after;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Just(char),
    /// Of a variable without a value.
    Never,
}

/// Splits a pattern; what a variable stands for is literal, wildcards in it too.
fn tokens(pattern: &str, context: Option<&Context>) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let variable = context
            .and_then(|_| rest.strip_prefix("${"))
            .and_then(|r| r.split_once('}'));
        if let (Some(context), Some((name, after))) = (context, variable) {
            match (name, context.variable(name)) {
                ("*" | "?" | "$", _) => out.extend(name.chars().map(Token::Just)),
                (_, Some(value)) => out.extend(value.chars().map(Token::Just)),
                (_, None) => out.push(Token::Never),
            }
            rest = after;
            continue;
        }
        out.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            c => Token::Just(c),
        });
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Greedy match with one point to come back to: linear for the patterns that people write.
fn matches(pattern: &[Token], text: &str, fold: bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), text.get(t)) {
            (Some(Token::Any), _) => {
                back = Some((p + 1, t));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(Token::One), Some(_)) => true,
            (Some(Token::Just(a)), Some(b)) => a == b || (fold && a.to_ascii_lowercase() == *b),
            _ => false,
        };
        if step {
            p += 1;
            t += 1;
        } else {
            match back {
                Some((at, from)) if from < text.len() => {
                    back = Some((at, from + 1));
                    (p, t) = (at, from + 1);
                }
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn;

    fn device() -> Policy {
        Policy::parse(
            r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Action":"iot:Connect",
             "Resource":"arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
            {"Effect":"Allow","Action":["iot:Publish","iot:Receive"],
             "Resource":["arn:aws:iot:us-east-1:123456789012:topic/${iot:Connection.Thing.ThingName}/*"]},
            {"Effect":"Deny","Action":"iot:*","Resource":"*/secret"}]}"#,
        )
        .unwrap()
    }

    fn lamp() -> Context {
        Context {
            client: "lamp".into(),
            thing: Some("lamp".into()),
            certificate: "ab".into(),
        }
    }

    #[test]
    fn a_device_gets_what_its_policy_names_and_no_more() {
        let policy = [device()];
        let ask = |context: &Context, action, resource: &str| {
            allows(&policy, context, action, &arn(resource))
        };
        assert!(ask(&lamp(), "iot:Connect", "client/lamp"));
        assert!(!ask(&lamp(), "iot:Connect", "client/other"));
        assert!(ask(&lamp(), "iot:Publish", "topic/lamp/a/b"));
        assert!(!ask(&lamp(), "iot:Publish", "topic/lampoon/a"));
        assert!(!ask(&lamp(), "iot:Subscribe", "topicfilter/lamp/a"));
        assert!(
            !ask(&lamp(), "iot:Publish", "topic/lamp/secret"),
            "deny wins"
        );
        let stranger = Context {
            thing: None,
            ..lamp()
        };
        assert!(!ask(&stranger, "iot:Connect", "client/lamp"));
    }

    #[test]
    fn a_variable_is_literal() {
        let star = Context {
            client: "*".into(),
            thing: Some("*".into()),
            ..lamp()
        };
        assert!(!allows(
            &[device()],
            &star,
            "iot:Publish",
            &arn("topic/lamp/a")
        ));
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        for (document, word) in [
            ("{", "EOF"),
            ("{}", "Statement"),
            (r#"{"Statement":[{"Effect":"Maybe"}]}"#, "Effect"),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"s3:Get","Resource":"*"}]}"#,
                "s3:Get",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","NotAction":"iot:*","Resource":"*"}]}"#,
                "NotAction",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"${aws:username}"}]}"#,
                "aws:username",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*","Condition":{"IpAddress":{}}}]}"#,
                "IpAddress",
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*","Condition":{"Bool":{"x":true}}}]}"#,
                "`x`",
            ),
        ] {
            let error = Policy::parse(document).unwrap_err();
            assert!(error.contains(word), "{document}: {error}");
        }
    }

    #[test]
    fn conditions_are_kept() {
        let policy = Policy::parse(
            r#"{"Statement":{"Effect":"Allow","Action":"iot:Connect","Resource":"*",
            "Condition":{"Bool":{"iot:Connection.Thing.IsAttached":["true"]},
                         "StringLike":{"iot:ClientId":"la?p"}}}}"#,
        )
        .unwrap();
        let ask = |c: &Context| allows([&policy], c, "iot:Connect", "x");
        assert!(ask(&lamp()));
        assert!(!ask(&Context {
            thing: None,
            ..lamp()
        }));
        assert!(!ask(&Context {
            client: "loop".into(),
            ..lamp()
        }));
    }

    /// The matcher against the definition, written as recursion.
    #[test]
    fn matching_agrees_with_its_definition() {
        fn slow(p: &[Token], t: &[char]) -> bool {
            match p.split_first() {
                None => t.is_empty(),
                Some((Token::Any, rest)) => (0..=t.len()).any(|n| slow(rest, &t[n..])),
                Some((Token::One, rest)) => !t.is_empty() && slow(rest, &t[1..]),
                Some((Token::Just(c), rest)) => t.first() == Some(c) && slow(rest, &t[1..]),
                Some((Token::Never, _)) => false,
            }
        }
        let mut state = 1u32;
        let mut next = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % n
        };
        let mut hits = 0;
        for _ in 0..20_000 {
            let pattern: String = (0..next(7))
                .map(|_| ['a', 'b', '*', '?'][next(4) as usize])
                .collect();
            let text: String = (0..next(7)).map(|_| ['a', 'b'][next(2) as usize]).collect();
            let (p, t): (Vec<Token>, Vec<char>) = (tokens(&pattern, None), text.chars().collect());
            let expected = slow(&p, &t);
            hits += usize::from(expected);
            assert_eq!(matches(&p, &text, false), expected, "{pattern} {text}");
        }
        assert!(hits > 1000);
    }
}
