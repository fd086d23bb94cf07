//! Every reason with its text, gRPC code and HTTP status. `docs/errors.md` explains each; a test
//! compares the two.

use tonic::Code;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $code:ident, $http:literal;)*) => {
        /// Why a call was refused, from all services.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All reasons, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable text of the reason.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The canonical gRPC code that goes with it.
            #[must_use]
            pub const fn code(self) -> Code {
                match self {
                    $(Self::$name => Code::$code,)*
                }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self {
                    $(Self::$name => $http,)*
                }
            }

            /// The reason of this text.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
            }
        }
    };
}

reasons! {
    // Arguments.
    /// An argument that fits none of the narrower reasons; metadata `field`.
    InvalidArgument = "INVALID_ARGUMENT", InvalidArgument, 400;
    /// A hash, id or address that is not 64 lowercase hex digits; metadata `field`.
    InvalidHash = "INVALID_HASH", InvalidArgument, 400;
    /// A height that is no number.
    InvalidHeight = "INVALID_HEIGHT", InvalidArgument, 400;
    /// A page token that this list never gave out.
    InvalidPageToken = "INVALID_PAGE_TOKEN", InvalidArgument, 400;
    /// A page size that is no number.
    InvalidPageSize = "INVALID_PAGE_SIZE", InvalidArgument, 400;
    /// A cursor that this watch never gave out.
    InvalidCursor = "INVALID_CURSOR", InvalidArgument, 400;
    /// A parameter out of its range; metadata `field`.
    InvalidParameter = "INVALID_PARAMETER", InvalidArgument, 400;
    /// A schedule over no producers.
    EmptyPool = "EMPTY_POOL", InvalidArgument, 400;
    /// More slots asked for than one call gives; metadata `limit`.
    TooManySlots = "TOO_MANY_SLOTS", InvalidArgument, 400;
    /// More ids in a pool than one call takes; metadata `limit`.
    TooManyIds = "TOO_MANY_IDS", InvalidArgument, 400;
    /// Bytes that are no protobuf message of the expected type.
    MalformedMessage = "MALFORMED_MESSAGE", InvalidArgument, 400;
    /// A message over the size limit.
    MessageTooLarge = "MESSAGE_TOO_LARGE", ResourceExhausted, 413;

    // Blocks and state.
    /// No block of this hash is known.
    BlockNotFound = "BLOCK_NOT_FOUND", NotFound, 404;
    /// The head's chain has no block of this height; metadata `head_height`.
    HeightNotFound = "HEIGHT_NOT_FOUND", NotFound, 404;
    /// The block is known, but its state is no longer kept.
    StateNotKept = "STATE_NOT_KEPT", NotFound, 404;
    /// The parent named is no longer the head; metadata `head`.
    TipChanged = "TIP_CHANGED", FailedPrecondition, 409;
    /// The prepared block is no longer kept: prepare again.
    PreparedBlockGone = "PREPARED_BLOCK_GONE", FailedPrecondition, 409;
    /// The slot, producer or time stamp does not allow a block; metadata `rule`.
    SlotRefused = "SLOT_REFUSED", FailedPrecondition, 409;
    /// A block breaks a validity rule; metadata `rule`.
    InvalidBlock = "INVALID_BLOCK", InvalidArgument, 422;
    /// The block is already stored.
    BlockKnown = "BLOCK_KNOWN", AlreadyExists, 409;

    // Transactions and accounts.
    /// A transaction breaks a rule; metadata `rule`.
    InvalidTransaction = "INVALID_TRANSACTION", InvalidArgument, 422;
    /// The transaction waits already.
    TransactionKnown = "TRANSACTION_KNOWN", AlreadyExists, 409;
    /// No transaction of this hash is known.
    TransactionNotFound = "TRANSACTION_NOT_FOUND", NotFound, 404;
    /// Another transaction of this account waits with this nonce, and the fee is not a tenth higher; metadata
    /// `rule`.
    Underpriced = "UNDERPRICED", FailedPrecondition, 409;
    /// No room for more waiting transactions: all pay at least as much per byte.
    PoolFull = "POOL_FULL", ResourceExhausted, 429;
    /// The sender already has as many waiting transactions as one may have. Kept for later.
    AccountLimit = "ACCOUNT_LIMIT", ResourceExhausted, 429;
    /// The nonce is too far above the account's; metadata `rule`.
    NonceGap = "NONCE_GAP", FailedPrecondition, 409;

    // Production.
    /// The signing guard forbids the signature. Kept for later.
    SigningRefused = "SIGNING_REFUSED", FailedPrecondition, 409;
    /// The node may not produce now. Kept for later.
    NotEligible = "NOT_ELIGIBLE", FailedPrecondition, 409;

    // Peers.
    /// The peer follows a chain of another name.
    WrongChain = "WRONG_CHAIN", FailedPrecondition, 409;
    /// The peer's chain has another genesis.
    WrongGenesis = "WRONG_GENESIS", FailedPrecondition, 409;
    /// The peer speaks another version of the protocol.
    ProtocolVersion = "PROTOCOL_VERSION", FailedPrecondition, 409;
    /// The peer does not prove the keys it shows.
    BadPeerProof = "BAD_PEER_PROOF", Unauthenticated, 401;
    /// The peer misbehaved and is shut out for a while.
    PeerBanned = "PEER_BANNED", PermissionDenied, 403;
    /// There is already a connection with this node id.
    PeerAlreadyConnected = "PEER_ALREADY_CONNECTED", AlreadyExists, 409;
    /// All places for peers are taken.
    TooManyPeers = "TOO_MANY_PEERS", ResourceExhausted, 429;
    /// The node called itself.
    SelfConnection = "SELF_CONNECTION", FailedPrecondition, 409;
    /// A peer sent what the protocol does not allow at that point. Kept for later.
    ProtocolViolation = "PROTOCOL_VIOLATION", InvalidArgument, 400;
    /// A peer sent more than it may in this time. Kept for later.
    PeerTooFast = "PEER_TOO_FAST", ResourceExhausted, 429;

    // Watches.
    /// The events after this cursor are no longer kept: start again without one.
    CursorTooOld = "CURSOR_TOO_OLD", OutOfRange, 410;
    /// Events came faster than the listener took them.
    SlowReader = "SLOW_READER", OutOfRange, 410;

    // The service itself.
    /// The service has not learned enough yet to answer.
    NotReady = "NOT_READY", Unavailable, 503;
    /// A service that this one needs does not answer; metadata `service`.
    DependencyUnavailable = "DEPENDENCY_UNAVAILABLE", Unavailable, 503;
    /// The store does not take writes.
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable, 503;
    /// The store holds what it should not.
    StoreCorrupt = "STORE_CORRUPT", DataLoss, 500;
    /// More requests in progress than the service takes.
    Overloaded = "OVERLOADED", ResourceExhausted, 429;
    /// The service is stopping.
    ShuttingDown = "SHUTTING_DOWN", Unavailable, 503;
    /// The call took longer than its deadline.
    Deadline = "DEADLINE", DeadlineExceeded, 504;
    /// A fault of the service itself, written to its log.
    Internal = "INTERNAL", Internal, 500;

    // HTTP only.
    /// No such route.
    RouteNotFound = "ROUTE_NOT_FOUND", NotFound, 404;
    /// The request names a host that is not this one's.
    HostNotAllowed = "HOST_NOT_ALLOWED", PermissionDenied, 421;
    /// A page of another origin asks for what only the gateway's own pages may have.
    OriginNotAllowed = "ORIGIN_NOT_ALLOWED", PermissionDenied, 403;
    /// The route does not take this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", Unimplemented, 405;
    /// A body that does not arrive in time.
    RequestTooSlow = "REQUEST_TOO_SLOW", DeadlineExceeded, 408;
    /// A body in an encoding that is not taken.
    UnknownEncoding = "UNKNOWN_ENCODING", Unimplemented, 415;
    /// The names and values of the request's headers are too many or too long.
    HeadersTooLarge = "HEADERS_TOO_LARGE", ResourceExhausted, 431;
}
