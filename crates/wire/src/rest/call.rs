//! Calls whose messages stay encoded: what they hold is of no interest on the way.

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use tonic::Status;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::{Connection, MAX_MESSAGE_BYTES, Reason, call, deadline, status};

/// Messages as their bytes.
#[derive(Default)]
struct AsBytes;

impl Codec for AsBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Calls a method (`package.Service/Method`) of a service of this node with an encoded request; gives the
/// encoded answer.
///
/// # Errors
/// The status of the service, or why it did not answer: see [`call`](crate::call).
pub async fn call_encoded(
    service: &str,
    connection: Connection,
    method: &str,
    request: Bytes,
) -> Result<Bytes, Status> {
    let wrong = |error| status(Reason::Internal, format!("{method}: {error}"), &[]);
    let path = PathAndQuery::try_from(format!("/{method}")).map_err(wrong)?;
    let mut client = Grpc::new(connection).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let answering = async move {
        client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        client.unary(deadline(request), path, AsBytes).await
    };
    call(service, answering).await
}
