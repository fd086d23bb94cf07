//! Encodes as ever, and decodes only what holds no more than it may.

use std::marker::PhantomData;

use bytes::Buf;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstDecoder, ProstEncoder};

use crate::bounds;

/// The codec of all generated clients and servers.
#[derive(Debug)]
pub struct BoundedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        let name = U::full_name();
        BoundedDecoder {
            inner: ProstDecoder::default(),
            fields: bounds::fields_of(&name),
            goes_on: bounds::is_conversation(&name),
        }
    }
}

/// The decoder of one kind of messages.
pub struct BoundedDecoder<U> {
    inner: ProstDecoder<U>,
    fields: &'static [bounds::Field],
    goes_on: bool,
}

impl<U: Message + Default> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        match bounds::check(buf.chunk(), self.fields) {
            Ok(()) => self.inner.decode(buf),
            Err(_) if self.goes_on => {
                buf.advance(buf.remaining());
                Ok(Some(U::default()))
            }
            Err(refused) => Err(refused),
        }
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.inner.buffer_settings()
    }
}
