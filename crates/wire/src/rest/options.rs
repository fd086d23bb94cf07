//! The options of the protocol files, read once.

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumValueDescriptor, ExtensionDescriptor, FieldDescriptor,
    MethodDescriptor, OneofDescriptor,
};

/// The extensions.
pub(super) struct Options {
    http: ExtensionDescriptor,
    method: ExtensionDescriptor,
    field: ExtensionDescriptor,
    tag: ExtensionDescriptor,
    word: ExtensionDescriptor,
}

/// One way to call a method.
pub(super) struct Binding {
    pub(super) verb: &'static str,
    pub(super) path: String,
    pub(super) response_body: String,
}

/// `vision.api.v1.Method`.
#[derive(Default)]
pub(super) struct Method {
    pub(super) no_route: String,
    pub(super) weight_bytes: u32,
    pub(super) item_weight_bytes: u32,
    pub(super) largest_item_weight_bytes: u32,
    pub(super) own_code: String,
    pub(super) any_of: Vec<String>,
}

/// What a text or a number is: `vision.api.v1.Kind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Kind {
    #[default]
    Plain,
    Hash,
    Height,
    Limit,
    Slots,
    Hex,
}

/// `vision.api.v1.Field`.
#[derive(Clone, Default, Debug)]
pub(super) struct Field {
    pub(super) hidden: bool,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) amount: bool,
    pub(super) flatten: bool,
    pub(super) null_when_absent: bool,
    pub(super) omit_when_empty: bool,
    pub(super) maximum: u64,
    pub(super) minimum: u64,
}

fn text(message: &DynamicMessage, name: &str) -> String {
    message.get_field_by_name(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn flag(message: &DynamicMessage, name: &str) -> bool {
    message.get_field_by_name(name).and_then(|value| value.as_bool()).unwrap_or_default()
}

fn number(message: &DynamicMessage, name: &str) -> u64 {
    message.get_field_by_name(name).and_then(|value| value.as_u64()).unwrap_or_default()
}

impl Options {
    pub(super) fn of(pool: &DescriptorPool) -> Result<Self, String> {
        let of = |name: &str| pool.get_extension_by_name(name).ok_or_else(|| format!("no option {name}"));
        Ok(Self {
            http: of("google.api.http")?,
            method: of("vision.api.v1.method")?,
            field: of("vision.api.v1.field")?,
            tag: of("vision.api.v1.tag")?,
            word: of("vision.api.v1.word")?,
        })
    }

    fn message(options: &DynamicMessage, extension: &ExtensionDescriptor) -> Option<DynamicMessage> {
        options.has_extension(extension).then(|| options.get_extension(extension).as_message().cloned())?
    }

    /// Every way to call a method over HTTP.
    pub(super) fn bindings(&self, method: &MethodDescriptor) -> Vec<Binding> {
        let Some(rule) = Self::message(&method.options(), &self.http) else { return Vec::new() };
        let further = rule.get_field_by_name("additional_bindings");
        let further = further.iter().filter_map(|list| list.as_list()).flatten();
        let rules = std::iter::once(&rule).chain(further.filter_map(prost_reflect::Value::as_message));
        let binding = |rule: &DynamicMessage| {
            let (verb, path) = [("GET", "get"), ("POST", "post")].into_iter().find_map(|(verb, name)| {
                Some((verb, text(rule, name))).filter(|(_, path)| !path.is_empty())
            })?;
            Some(Binding { verb, path, response_body: text(rule, "response_body") })
        };
        rules.filter_map(binding).collect()
    }

    pub(super) fn method(&self, method: &MethodDescriptor) -> Method {
        let Some(spec) = Self::message(&method.options(), &self.method) else { return Method::default() };
        let bytes = |name: &str| spec.get_field_by_name(name).and_then(|value| value.as_u32());
        let any_of = spec.get_field_by_name("any_of");
        let any_of = any_of.iter().filter_map(|list| list.as_list()).flatten();
        Method {
            no_route: text(&spec, "no_route"),
            weight_bytes: bytes("weight_bytes").unwrap_or_default(),
            item_weight_bytes: bytes("item_weight_bytes").unwrap_or_default(),
            largest_item_weight_bytes: bytes("largest_item_weight_bytes").unwrap_or_default(),
            own_code: text(&spec, "own_code"),
            any_of: any_of.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        }
    }

    pub(super) fn field(&self, field: &FieldDescriptor) -> Field {
        let spec = Self::message(&field.options(), &self.field);
        let name = spec.as_ref().map(|spec| text(spec, "name")).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| field.name().to_owned());
        let Some(spec) = spec else { return Field { name, ..Field::default() } };
        let kind = match spec.get_field_by_name("kind").and_then(|value| value.as_enum_number()) {
            Some(1) => Kind::Hash,
            Some(2) => Kind::Height,
            Some(3) => Kind::Limit,
            Some(4) => Kind::Slots,
            Some(5) => Kind::Hex,
            _ => Kind::Plain,
        };
        Field {
            hidden: flag(&spec, "hidden"),
            name,
            kind,
            amount: flag(&spec, "amount"),
            flatten: flag(&spec, "flatten"),
            null_when_absent: flag(&spec, "null_when_absent"),
            omit_when_empty: flag(&spec, "omit_when_empty"),
            maximum: number(&spec, "maximum"),
            minimum: number(&spec, "minimum"),
        }
    }

    /// The key under which the member that is set is named.
    pub(super) fn tag(&self, oneof: &OneofDescriptor) -> Option<String> {
        let options = oneof.options();
        options
            .has_extension(&self.tag)
            .then(|| options.get_extension(&self.tag).as_str().map(str::to_owned))?
    }

    pub(super) fn word(&self, value: &EnumValueDescriptor) -> String {
        let options = value.options();
        if options.has_extension(&self.word) {
            return options.get_extension(&self.word).as_str().unwrap_or_default().to_owned();
        }
        if value.number() == 0 {
            return "unknown".to_owned();
        }
        let mut prefix = String::new();
        for letter in value.parent_enum().name().chars() {
            if letter.is_ascii_uppercase() && !prefix.is_empty() {
                prefix.push('_');
            }
            prefix.push(letter.to_ascii_uppercase());
        }
        prefix.push('_');
        value.name().strip_prefix(&prefix).unwrap_or(value.name()).to_ascii_lowercase()
    }
}
