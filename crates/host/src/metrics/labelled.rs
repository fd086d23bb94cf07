//! A metric once per combination of label values.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The value of a label that stands for all values that are not distinguished.
pub const OTHER: &str = "_OTHER";

/// Combinations of label values that are distinguished; all further ones are [`OTHER`].
const MAX_COMBINATIONS: usize = 512;

/// A metric with labels. Unlike the library's own family it is exposed by name and type before it has a
/// sample, in a fixed order, and it cannot grow without bound. Cheap to clone; all clones are one.
pub struct Labelled<M, const N: usize>(Arc<Inner<M, N>>);

struct Inner<M, const N: usize> {
    names: [&'static str; N],
    make: Box<dyn Fn() -> M + Send + Sync>,
    /// Sorted by label values.
    metrics: RwLock<Vec<([Box<str>; N], M)>>,
}

impl<M, const N: usize> Clone for Labelled<M, N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M, const N: usize> fmt::Debug for Labelled<M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Labelled").field(&self.0.names).finish()
    }
}

impl<M: Clone, const N: usize> Labelled<M, N> {
    pub(super) fn new(names: [&'static str; N], make: impl Fn() -> M + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { names, make: Box::new(make), metrics: RwLock::default() }))
    }

    /// The metric with these label values: a handle to keep where it is used often. Allocates only for values
    /// not seen before.
    #[must_use]
    pub fn get(&self, values: [&str; N]) -> M {
        let find = |metrics: &[([Box<str>; N], M)]| {
            metrics.binary_search_by(|(known, _)| known.iter().map(|value| &**value).cmp(values))
        };
        let known = self.0.metrics.read().unwrap_or_else(PoisonError::into_inner);
        if let Ok(at) = find(&known) {
            return known[at].1.clone();
        }
        let full = known.len() >= MAX_COMBINATIONS;
        drop(known);
        if full && values != [OTHER; N] {
            return self.get([OTHER; N]);
        }
        let mut metrics = self.0.metrics.write().unwrap_or_else(PoisonError::into_inner);
        match find(&metrics) {
            Ok(at) => metrics[at].1.clone(),
            Err(at) => {
                let metric = (self.0.make)();
                metrics.insert(at, (values.map(Into::into), metric.clone()));
                metric
            }
        }
    }
}

impl<M: TypedMetric, const N: usize> TypedMetric for Labelled<M, N> {
    const TYPE: MetricType = M::TYPE;
}

impl<M: EncodeMetric + TypedMetric, const N: usize> EncodeMetric for Labelled<M, N> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let metrics = self.0.metrics.read().unwrap_or_else(PoisonError::into_inner);
        for (values, metric) in metrics.iter() {
            let mut labels = self.0.names.map(|name| (name, ""));
            for (label, value) in labels.iter_mut().zip(values) {
                label.1 = value;
            }
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}
