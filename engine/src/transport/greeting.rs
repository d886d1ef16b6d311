//! The exchange that admits a peer before there is a session.
//!
//! The dialler is connected once it has read the acceptor's Welcome, which comes under encryption
//! and after its key was judged; the acceptor once it has sent one. Greetings that are malformed or
//! do not match the proved key are refused, and so are those that take longer or more bytes than an
//! honest one (limit L2). A refused caller is told why, but never what is here.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use fairhaul_core::connections::admission;
use fairhaul_core::wire::handshake::{
    self, GREETING_MAX, Greeting, GreetingError, Hello, Refusal, RefusalCode, VERSION, Welcome,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{Endpoint, ReadError, Secure, TransportError};
use crate::identity::PublicKey;

/// Time from the first byte of a connection to its Welcome (limit L2).
pub const DEADLINE: Duration = Duration::from_nanos(admission::HANDSHAKE.as_nanos());

/// Time until all of a caller's first flight has come, which it sends unasked.
pub const FIRST_FLIGHT: Duration = Duration::from_nanos(admission::FIRST_FLIGHT.as_nanos());

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// There is no stream.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The stream broke.
    #[error("greeting: {0}")]
    Read(#[from] ReadError<Infallible>),
    /// The socket failed.
    #[error("greeting: {0}")]
    Io(#[from] io::Error),
    /// The peer ended the stream instead of greeting.
    #[error("the peer hung up before its greeting")]
    HungUp,
    /// What it said is no greeting.
    #[error("{0}")]
    Bad(#[from] GreetingError),
    /// It said the other side's part.
    #[error("the peer says the wrong part of the greeting")]
    WrongPart,
    /// The Hello names a key that the caller has not proved: a lie (H7).
    #[error("the peer with key {proved} says that its key is {}", hex(.claimed))]
    FalseKey {
        /// The key that it has proved.
        proved: PublicKey,
        /// What it says.
        claimed: [u8; 32],
    },
    /// The peer refuses us.
    #[error("the peer refuses: {} ({})", .0.code, .0.text)]
    Refused(Refusal),
    /// We refuse the peer with this key, and have told it so.
    #[error("{}; its key is {peer}", .refusal.text)]
    Refuses {
        /// The key that it has proved.
        peer: PublicKey,
        /// What it calls itself.
        name: Box<str>,
        /// What it was told.
        refusal: Refusal,
    },
    /// It took too long.
    #[error("no greeting within {0:?}")]
    Deadline(Duration),
}

fn hex(key: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(key)
}

impl Endpoint {
    /// Makes a session with the owner of `expected` over `stream`, all within `deadline`.
    ///
    /// # Errors
    ///
    /// If another key answers, or it refuses, or does not answer in time.
    pub async fn call<S>(
        &self,
        stream: S,
        expected: PublicKey,
        hello: &Hello,
        deadline: Duration,
    ) -> Result<(Secure<S>, Welcome), GreetError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let call = async {
            let mut secure = self.meet(stream, Some(expected), None).await?;
            let welcome = greet_as_dialler(&mut secure, hello).await?;
            Ok((secure, welcome))
        };
        within(deadline, call).await
    }

    /// Makes a session with the caller on `stream`, if `judge` welcomes it, all within `deadline`.
    /// Until then at most [`GREETING_BYTES`](super::GREETING_BYTES) are taken.
    ///
    /// # Errors
    ///
    /// If the caller proves no key, is refused, or has not greeted in time.
    pub async fn welcome<S>(
        &self,
        stream: S,
        deadline: Duration,
        judge: impl FnOnce(&PublicKey, &Hello) -> Result<Welcome, Refusal>,
    ) -> Result<(Secure<S>, Hello), GreetError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let welcome = async {
            let mut secure = self.meet(stream, None, Some(FIRST_FLIGHT)).await?;
            let hello = greet_as_acceptor(&mut secure, judge).await?;
            Ok((secure, hello))
        };
        within(deadline, welcome).await
    }

    /// The Hello of this identity.
    #[must_use]
    pub fn hello(&self, name: &str, listen: Option<u16>) -> Hello {
        Hello {
            version: VERSION,
            key: *self.public().as_bytes(),
            name: name.into(),
            listen,
        }
    }
}

async fn within<T>(
    deadline: Duration,
    greeting: impl Future<Output = Result<T, GreetError>>,
) -> Result<T, GreetError> {
    let late = |_| GreetError::Deadline(deadline);
    timeout(deadline, greeting).await.map_err(late)?
}

/// Says `hello` and waits for the answer. Bytes that follow the answer stay in the reader.
///
/// # Errors
///
/// If the answer is not a Welcome.
pub async fn greet_as_dialler<S>(
    secure: &mut Secure<S>,
    hello: &Hello,
) -> Result<Welcome, GreetError>
where
    S: AsyncRead + AsyncWrite,
{
    say(secure, Greeting::Hello(hello.clone())).await?;
    let answer = match hear(secure).await {
        Err(GreetError::Bad(error)) => {
            Err(refuse(secure, Refusal::of_error(error), error.into()).await)
        }
        answer => answer,
    };
    match answer? {
        Greeting::Welcome(welcome) => {
            secure.reader.unbound();
            Ok(welcome)
        }
        Greeting::Refusal(refusal) => Err(GreetError::Refused(refusal)),
        Greeting::Hello(_) => Err(GreetError::WrongPart),
    }
}

/// Waits for the caller's Hello, and answers what `judge` says of it. A Hello with another key
/// than the proved one never gets to `judge`. Bytes that follow it stay in the reader.
///
/// # Errors
///
/// If it is refused, or says anything else; it was told so.
pub async fn greet_as_acceptor<S>(
    secure: &mut Secure<S>,
    judge: impl FnOnce(&PublicKey, &Hello) -> Result<Welcome, Refusal>,
) -> Result<Hello, GreetError>
where
    S: AsyncRead + AsyncWrite,
{
    let peer = secure.peer;
    let hello = match hear(secure).await {
        Ok(Greeting::Hello(hello)) => hello,
        Ok(_) => {
            let refusal = Refusal::new(RefusalCode::BadGreeting);
            return Err(refuse(secure, refusal, GreetError::WrongPart).await);
        }
        Err(GreetError::Bad(error)) => {
            return Err(refuse(secure, Refusal::of_error(error), error.into()).await);
        }
        Err(error) => return Err(error),
    };
    if hello.key != *peer.as_bytes() {
        let why = GreetError::FalseKey {
            proved: peer,
            claimed: hello.key,
        };
        return Err(refuse(secure, Refusal::new(RefusalCode::WrongKey), why).await);
    }
    match judge(&peer, &hello) {
        Ok(welcome) => {
            say(secure, Greeting::Welcome(welcome)).await?;
            secure.reader.unbound();
            Ok(hello)
        }
        Err(refusal) => {
            let why = GreetError::Refuses {
                peer,
                name: hello.name,
                refusal: refusal.clone(),
            };
            Err(refuse(secure, refusal, why).await)
        }
    }
}

/// Tells the peer of `refusal` and ends the stream; gives back `why`. Whether it arrives changes
/// nothing.
async fn refuse<S>(secure: &mut Secure<S>, refusal: Refusal, why: GreetError) -> GreetError
where
    S: AsyncRead + AsyncWrite,
{
    if say(secure, Greeting::Refusal(refusal)).await.is_ok() {
        let _ = secure.writer.close().await;
    }
    why
}

async fn say<S>(secure: &mut Secure<S>, greeting: Greeting) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite,
{
    let mut bytes = Vec::with_capacity(GREETING_MAX);
    handshake::encode(&greeting, &mut bytes);
    secure.writer.write(&bytes).await?;
    secure.writer.flush().await
}

/// The peer's next greeting. What follows it is put back.
async fn hear<S>(secure: &mut Secure<S>) -> Result<Greeting, GreetError>
where
    S: AsyncRead + AsyncWrite,
{
    let mut heard = Vec::new();
    loop {
        let mut sink = |run: &[u8]| {
            heard.extend_from_slice(run);
            Ok::<_, Infallible>(())
        };
        if !secure.reader.read(&mut sink).await? {
            return Err(GreetError::HungUp);
        }
        if let Some((greeting, used)) = handshake::decode(&heard)? {
            secure.reader.put_back(&heard[used..]);
            return Ok(greeting);
        }
    }
}
