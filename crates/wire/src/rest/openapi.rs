//! The OpenAPI description of the routes: their paths and the schemas of their answers, with the comments of
//! the protocol files.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind as Type, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::ask::Parameter;
use super::options::Kind;
use super::shape::{Absent, Form, Member, Own};
use super::{Api, Route};
use crate::FILE_DESCRIPTOR_SET;

/// Comments by file and path within it.
struct Comments(BTreeMap<(String, Vec<i32>), String>);

impl Comments {
    /// Those of all files. The pool of the API has none.
    fn read() -> Self {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("made of the same files as the API");
        let mut comments = BTreeMap::new();
        for file in pool.files() {
            let info = file.file_descriptor_proto().source_code_info.as_ref();
            for location in info.iter().flat_map(|info| &info.location) {
                let text = location.leading_comments().lines().map(str::trim).collect::<Vec<_>>().join(" ");
                if !text.trim().is_empty() {
                    comments.insert((file.name().to_owned(), location.path.clone()), text.trim().to_owned());
                }
            }
        }
        Self(comments)
    }

    fn at(&self, file: &str, path: &[i32]) -> String {
        self.0.get(&(file.to_owned(), path.to_vec())).cloned().unwrap_or_default()
    }

    fn message(&self, message: &MessageDescriptor) -> String {
        self.at(message.parent_file().name(), message.path())
    }

    fn field(&self, field: &FieldDescriptor) -> String {
        self.at(field.parent_file().name(), field.path())
    }

    fn route(&self, route: &Route) -> String {
        self.at(route.descriptor.parent_file().name(), route.descriptor.path())
    }
}

struct Describing<'a> {
    api: &'a Api,
    comments: Comments,
    schemas: Map<String, Value>,
}

/// `chain.v1.Peer` of `vision.chain.v1.Peer`.
fn key(message: &MessageDescriptor) -> String {
    message.full_name().trim_start_matches("vision.").to_owned()
}

fn reference(message: &MessageDescriptor) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", key(message))})
}

const HASH: &str = "^[0-9a-f]{64}$";
/// A caller may put one 0x before it.
const ASKED_HASH: &str = "^(0x)?[0-9a-f]{64}$";
const HEX: &str = "^([0-9a-f]{2})*$";
const DECIMAL: &str = "^(0|[1-9][0-9]{0,19})$";
const SLOTS: &str = "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$";

pub(super) fn describe(api: &Api) -> Value {
    let comments = Comments::read();
    let mut describing = Describing { api, comments, schemas: Map::new() };
    let mut paths = Map::new();
    // Two routes may differ only in what they take a part of their path for: they are one here.
    let mut together: BTreeMap<String, Vec<&Route>> = BTreeMap::new();
    for route in api.routes.iter().filter(|route| !route.descriptor.is_server_streaming()) {
        together.entry(route.place()).or_default().push(route);
    }
    for routes in together.values() {
        let path = common_path(routes);
        let operation = describing.operation(routes);
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        operations[routes[0].verb.to_ascii_lowercase()] = operation;
    }
    json!({"paths": paths, "components": {"schemas": describing.schemas}})
}

/// `/blocks/{height_or_hash}` of `/blocks/{height}` and `/blocks/{hash}`.
fn common_path(routes: &[&Route]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (at, part) in routes[0].path.split('/').enumerate() {
        let mut names: Vec<&str> = routes.iter().filter_map(|route| route.path.split('/').nth(at)).collect();
        names.dedup();
        parts.push(match names.as_slice() {
            [_] => part.to_owned(),
            several => {
                let names: Vec<&str> = several.iter().map(|name| name.trim_matches(['{', '}'])).collect();
                format!("{{{}}}", names.join("_or_"))
            }
        });
    }
    parts.join("/")
}

impl Describing<'_> {
    fn operation(&mut self, routes: &[&Route]) -> Value {
        let route = routes[0];
        let mut text = self.comments.route(route);
        if !route.any_of.is_empty() {
            text += &format!(" At least one of {} must be given.", route.any_of.join(", "));
        }
        let output = route.descriptor.output();
        let body = match &route.body {
            None => output,
            Some(field) => match field.kind() {
                Type::Message(message) => message,
                _ => output,
            },
        };
        let schema = self.message(&body);
        let mut parameters = Vec::new();
        let in_path =
            routes.iter().map(|route| route.parameters.iter().filter(|p| p.in_path).collect::<Vec<_>>());
        let in_path: Vec<Vec<&Parameter>> = in_path.collect();
        for at in 0..in_path[0].len() {
            let mut choices: Vec<&Parameter> = in_path.iter().map(|parameters| parameters[at]).collect();
            choices.dedup_by(|a, b| a.field == b.field);
            parameters.push(self.path_parameter(&choices));
        }
        parameters.extend(route.parameters.iter().filter(|p| !p.in_path).map(|parameter| {
            json!({
                "name": parameter.spec.name, "in": "query", "required": false,
                "description": self.comments.field(&parameter.field), "schema": asked(parameter),
            })
        }));
        json!({
            "operationId": route.descriptor.name(),
            "summary": text.split_inclusive('.').next().unwrap_or_default().trim(),
            "description": text,
            "tags": [route.package().split('.').nth(1).unwrap_or_default()],
            "parameters": parameters,
            "responses": {
                "200": {
                    "description": self.comments.message(&body),
                    "content": {"application/json": {"schema": schema}},
                },
                "default": {"$ref": "#/components/responses/Problem"},
            },
        })
    }

    fn path_parameter(&self, choices: &[&Parameter]) -> Value {
        let names: Vec<&str> = choices.iter().map(|parameter| parameter.field.name()).collect();
        let texts: Vec<String> =
            choices.iter().map(|parameter| self.comments.field(&parameter.field)).collect();
        let schema = match choices {
            [one] => asked(one),
            several => json!({"oneOf": several.iter().map(|parameter| asked(parameter)).collect::<Vec<_>>()}),
        };
        json!({
            "name": names.join("_or_"), "in": "path", "required": true, "description": texts.join(" Or: "),
            "schema": schema,
        })
    }

    /// A reference to a message's schema, which is described when it is first needed.
    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let key = key(message);
        if !self.schemas.contains_key(&key) {
            // Before its members, for one of them may be of its own kind.
            self.schemas.insert(key.clone(), Value::Null);
            let schema = self.object(message);
            self.schemas.insert(key, schema);
        }
        reference(message)
    }

    fn object(&mut self, message: &MessageDescriptor) -> Value {
        let (mut properties, mut required, mut variants) = (Map::new(), Vec::new(), Vec::new());
        self.members(message, &mut properties, &mut required, &mut variants);
        let mut schema = json!({
            "type": "object", "description": self.comments.message(message), "properties": properties,
            "required": required,
        });
        match variants.len() {
            0 => {}
            1 => schema["oneOf"] = variants.remove(0),
            _ => schema["allOf"] = variants.into_iter().map(|choice| json!({"oneOf": choice})).collect(),
        }
        schema
    }

    fn members(
        &mut self,
        message: &MessageDescriptor,
        properties: &mut Map<String, Value>,
        required: &mut Vec<String>,
        variants: &mut Vec<Value>,
    ) {
        let api = self.api;
        for member in api.shapes.get(message).iter().flat_map(|shape| &shape.0) {
            match member {
                Member::Own(own) => {
                    properties.insert(own.key.clone(), self.property(own));
                    if own.absent != Absent::Omitted {
                        required.push(own.key.clone());
                    }
                }
                Member::Flat(field) => {
                    if let Type::Message(inner) = field.kind() {
                        self.members(&inner, properties, required, variants);
                    }
                }
                Member::Tagged { tag, members } => {
                    let choices = members.iter().map(|(field, word)| {
                        let (mut own, mut needed, mut further) = (Map::new(), vec![tag.clone()], Vec::new());
                        own.insert(tag.clone(), json!({"const": word}));
                        if let Type::Message(inner) = field.kind() {
                            self.members(&inner, &mut own, &mut needed, &mut further);
                        }
                        json!({
                            "type": "object", "description": self.comments.field(field), "properties": own,
                            "required": needed,
                        })
                    });
                    variants.push(choices.collect());
                }
            }
        }
    }

    fn property(&mut self, own: &Own) -> Value {
        let mut schema = match &own.form {
            Form::Number => number(&own.field),
            Form::Amount => json!({"type": "string", "pattern": DECIMAL}),
            Form::Text if own.kind == Kind::Hash => json!({"type": "string", "pattern": HASH}),
            Form::Text => json!({"type": "string"}),
            Form::Hex => json!({"type": "string", "pattern": HEX}),
            Form::Bool => json!({"type": "boolean"}),
            Form::Word(words) => json!({"type": "string", "enum": words.values().collect::<Vec<_>>()}),
            Form::Object(message) => self.message(&message.clone()),
        };
        if own.field.is_map() {
            schema = json!({"type": "object", "additionalProperties": schema});
        } else if own.field.is_list() {
            schema = json!({"type": "array", "items": schema});
        }
        if own.absent == Absent::Null {
            schema = json!({"anyOf": [schema, {"type": "null"}]});
        }
        schema["description"] = self.comments.field(&own.field).into();
        schema
    }
}

fn number(field: &FieldDescriptor) -> Value {
    match field.kind() {
        Type::Double | Type::Float => json!({"type": "number"}),
        Type::Uint64 | Type::Fixed64 => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        Type::Uint32 | Type::Fixed32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        _ => json!({"type": "integer"}),
    }
}

/// The schema of a parameter.
fn asked(parameter: &Parameter) -> Value {
    let spec = &parameter.spec;
    match (spec.kind, parameter.field.kind()) {
        (Kind::Hash, _) => json!({"type": "string", "pattern": ASKED_HASH}),
        (Kind::Limit, _) => json!({
            "type": "integer", "minimum": 1, "maximum": u64::MAX, "default": crate::page::DEFAULT_PAGE_ITEMS,
        }),
        (Kind::Slots, _) => json!({"type": "string", "pattern": SLOTS}),
        (_, Type::Bool) => json!({"type": "boolean"}),
        (_, Type::Bytes) => {
            let mut schema = json!({"type": "string", "pattern": HEX, "minLength": 2 * spec.minimum});
            if spec.maximum > 0 {
                schema["maxLength"] = (2 * spec.maximum).into();
            }
            schema
        }
        (_, Type::String) => json!({"type": "string"}),
        _ => {
            let mut schema = number(&parameter.field);
            schema["minimum"] = spec.minimum.into();
            if spec.maximum > 0 {
                schema["maximum"] = spec.maximum.into();
            }
            schema
        }
    }
}
