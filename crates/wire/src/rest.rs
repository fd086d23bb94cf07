//! REST from the protocol files: which method stands at which path, how parameters become a request, and how
//! an answer becomes JSON. All of it is read from `google.api.http` and the options of
//! `vision/api/v1/options.proto`.

mod ask;
mod call;
mod lists;
mod openapi;
mod options;
mod shape;
mod show;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, MethodDescriptor};
use tonic::Status;

use crate::{BARE_DESCRIPTOR_SET, Reason, status};
use ask::Parameter;
use lists::Lists;
use options::Options;
use shape::Shapes;
use show::Shown;

pub use ask::Refusal;
pub use call::call_encoded;

/// All routes of the protocol files.
pub struct Api {
    routes: Vec<Route>,
    shapes: Shapes,
    /// Why a method has no route, by its full name.
    without: BTreeMap<String, String>,
    undecided: Vec<String>,
    pool: DescriptorPool,
}

/// A message that may be wanted as JSON later: smaller than the message itself.
#[derive(Debug)]
pub struct Encoded {
    /// Full name of its type.
    type_name: String,
    bytes: Vec<u8>,
}

impl Encoded {
    /// A message, encoded.
    pub fn of<M: Name>(message: &M) -> Self {
        Self { type_name: M::full_name(), bytes: message.encode_to_vec() }
    }
}

/// One path and the method it calls.
pub struct Route {
    /// Full name of the method, such as `vision.chain.v1.ChainService/ListPeers`.
    pub method: String,
    /// `GET` or `POST`.
    pub verb: &'static str,
    /// The path, with `{…}` for what varies.
    pub path: String,
    /// Why the gateway answers with code of its own; empty if it does not.
    pub own_code: String,
    weight: Weight,
    /// Names of parameters of which at least one must be given.
    any_of: Vec<String>,
    descriptor: MethodDescriptor,
    /// Those in the path first, in their order.
    parameters: Vec<Parameter>,
    /// The field of the answer that is the body; the whole answer if there is none.
    body: Option<FieldDescriptor>,
}

/// A request that fits a route.
#[derive(Debug)]
pub struct Asked {
    /// Encoded.
    pub request: Bytes,
    /// Bytes that the answer takes at most while it is made; 0 if it is small.
    pub weight_bytes: usize,
}

/// What an answer takes while it is made, in bytes: see `vision.api.v1.Method`.
struct Weight {
    whole: usize,
    item: usize,
    largest_item: usize,
}

impl Weight {
    /// Of a list of at most so many items.
    const fn of(&self, items: usize) -> usize {
        let largest = items.saturating_mul(self.largest_item);
        let whole = if 0 < self.largest_item && largest < self.whole { largest } else { self.whole };
        whole.saturating_add(items.saturating_mul(self.item))
    }
}

/// The API of this build. The protocol files are compiled with it, so that they cannot be wrong only at a
/// caller's.
///
/// # Panics
/// If they are: a test of this crate reads them.
#[must_use]
pub fn api() -> &'static Api {
    static API: LazyLock<Api> = LazyLock::new(|| Api::read().expect("the protocol files are consistent"));
    &API
}

fn broken(why: &impl std::fmt::Display) -> Status {
    status(Reason::Internal, format!("a message that does not decode: {why}"), &[])
}

impl Api {
    fn read() -> Result<Self, String> {
        let pool = DescriptorPool::decode(BARE_DESCRIPTOR_SET).map_err(|error| error.to_string())?;
        let options = Options::of(&pool)?;
        let (mut routes, mut without, mut undecided) = (Vec::new(), BTreeMap::new(), Vec::new());
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let name = format!("{}/{}", method.parent_service().full_name(), method.name());
            let spec = options.method(&method);
            let bindings = options.bindings(&method);
            match (bindings.is_empty(), spec.no_route.is_empty()) {
                (true, true) => undecided.push(name),
                (false, false) => return Err(format!("{name} has a route, and a reason why not")),
                (true, false) => drop(without.insert(name, spec.no_route)),
                (false, true) => {
                    for binding in bindings {
                        routes.push(Route::new(&options, &method, &name, &spec, binding)?);
                    }
                }
            }
        }
        let shapes = Shapes::of(&options, &pool)?;
        Ok(Self { routes, shapes, without, undecided, pool })
    }

    /// All routes, in the order of the protocol files.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Methods that deliberately have no route, with the reason.
    #[must_use]
    pub const fn without_route(&self) -> &BTreeMap<String, String> {
        &self.without
    }

    /// Methods that have neither a route nor a reason why not: whoever adds a method decides, and a test asks
    /// for it.
    #[must_use]
    pub fn undecided(&self) -> &[String] {
        &self.undecided
    }

    /// A message as JSON.
    ///
    /// # Errors
    /// [`Status`] if the message is none of the protocol files.
    pub fn json<M: Name>(&self, message: &M) -> Result<Bytes, Status> {
        self.json_of(&Encoded::of(message))
    }

    /// An encoded message as JSON.
    ///
    /// # Errors
    /// [`Status`] if the message is none of the protocol files.
    pub fn json_of(&self, Encoded { type_name, bytes }: &Encoded) -> Result<Bytes, Status> {
        let descriptor = self.pool.get_message_by_name(type_name).ok_or_else(|| broken(type_name))?;
        let message = DynamicMessage::decode(descriptor, &bytes[..]).map_err(|error| broken(&error))?;
        Self::show(&Shown::new(&self.shapes, &message))
    }

    /// Messages as a JSON list.
    ///
    /// # Errors
    /// As [`Api::json`].
    pub fn json_list<M: Name>(&self, messages: &[M]) -> Result<Bytes, Status> {
        let shown = messages.iter().map(|message| self.json(message)).collect::<Result<Vec<_>, _>>()?;
        Ok([b"[", &shown.join(&b","[..])[..], b"]"].concat().into())
    }

    fn show(shown: &Shown<'_>) -> Result<Bytes, Status> {
        serde_json::to_vec(shown).map(Bytes::from).map_err(|error| broken(&error))
    }

    /// The encoded answer of a route's method as the body of its answer.
    ///
    /// # Errors
    /// [`Status`] if it does not decode or leaves out what the body is.
    pub fn answer(&self, route: &Route, encoded: &[u8]) -> Result<Bytes, Status> {
        let decode = |bytes: &[u8]| {
            DynamicMessage::decode(route.descriptor.output(), bytes).map_err(|error| broken(&error))
        };
        let Some(field) = &route.body else {
            let (lists, rest) = Lists::split(&route.descriptor.output(), encoded)?;
            let message = decode(&rest)?;
            return Self::show(&Shown { shapes: &self.shapes, message: &message, lists: Some(&lists) });
        };
        let mut message = decode(encoded)?;
        match message.take_field(field) {
            Some(prost_reflect::Value::Message(body)) => Self::show(&Shown::new(&self.shapes, &body)),
            _ => Err(status(Reason::Internal, format!("{} left out {}", route.method, field.name()), &[])),
        }
    }

    /// The OpenAPI 3.1 description of all routes of the protocol files.
    #[must_use]
    pub fn openapi(&self) -> serde_json::Value {
        openapi::describe(self)
    }
}

impl Route {
    fn new(
        options: &Options,
        method: &MethodDescriptor,
        name: &str,
        spec: &options::Method,
        binding: options::Binding,
    ) -> Result<Self, String> {
        let parameters = ask::parameters(options, &method.input(), &binding.path)?;
        let is_known = |name: &&String| parameters.iter().any(|parameter| parameter.spec.name == **name);
        if let Some(unknown) = spec.any_of.iter().find(|name| !is_known(name)) {
            return Err(format!("{name}: no parameter {unknown}"));
        }
        let body = match binding.response_body.as_str() {
            "" => None,
            field => {
                Some(method.output().get_field_by_name(field).ok_or_else(|| format!("{name}: no {field}"))?)
            }
        };
        Ok(Self {
            method: name.to_owned(),
            verb: binding.verb,
            path: binding.path,
            own_code: spec.own_code.clone(),
            weight: Weight {
                whole: spec.weight_bytes as usize,
                item: spec.item_weight_bytes as usize,
                largest_item: spec.largest_item_weight_bytes as usize,
            },
            any_of: spec.any_of.clone(),
            descriptor: method.clone(),
            parameters,
            body,
        })
    }

    /// Whether the answer is a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.descriptor.is_server_streaming()
    }

    /// What two routes have in common that no caller can tell apart.
    fn place(&self) -> String {
        let parts = self.path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        format!("{} {}", parts.collect::<Vec<_>>().join("/"), self.verb)
    }

    /// The package of the service that answers, such as `vision.chain.v1`.
    #[must_use]
    pub fn package(&self) -> String {
        self.descriptor.parent_service().package_name().to_owned()
    }

    /// Makes a request of what stands in the path and in the query, both decoded.
    ///
    /// # Errors
    /// [`Refusal`] for a parameter that is unknown, given twice, missing or malformed.
    pub fn ask(&self, path: &[(String, String)], query: &[(String, String)]) -> Result<Asked, Refusal> {
        let (request, items) = ask::request(&self.descriptor.input(), &self.parameters, path, query)?;
        ask::require_any(&self.any_of, query)?;
        Ok(Asked { request, weight_bytes: self.weight.of(items) })
    }
}

#[cfg(test)]
mod tests;
