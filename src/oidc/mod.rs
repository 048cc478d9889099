//! Signing in by an OpenID provider: the authorization code flow (OpenID Connect Core 1.0, 3.1) with PKCE (RFC 7636).

mod attempt;
mod claims;
mod http;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AuthType, AuthenticationFlow, AuthorizationCode, Client, ClientId, ClientSecret,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl,
    OAuth2TokenResponse, PkceCodeChallenge, RedirectUrl, Scope, StandardErrorResponse,
    StandardTokenResponse, TokenResponse, UserInfoClaims,
};
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};
use zeroize::Zeroizing;

use crate::domain::{Identity, Person};
pub use attempt::Attempt;
use claims::{AllClaims, key_name};
pub use claims::{Roles, RolesClaim};
use http::Http;

/// How long what a provider says of itself is believed where only its pages are sent to. Whoever comes back from it is
/// checked by what it says then, so that keys may be exchanged at any time.
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// How long it is not asked again that did not answer.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(3);

/// Sign-ins that wait for it at once. Each keeps one of the requests that may be in flight, and whoever asks has no key:
/// a provider that is slow must keep no gate waiting.
const ASKING_MAX: usize = 8;

/// How long ago a person may have shown who they are where that is to be asked anew.
const SHOWN_AGO_MAX: TimeDelta = TimeDelta::minutes(10);

/// Who signs people in, and how it is asked.
#[derive(Clone)]
pub struct OidcSettings {
    /// Its name, for people.
    pub name: String,
    /// Its URL, letter by letter as it names itself.
    pub issuer: String,
    /// Who Limen is to it.
    pub client_id: String,
    /// What proves that; none for a public client.
    pub client_secret: Option<Zeroizing<String>>,
    /// Where people begin,
    pub begin_url: String,
    /// and where it sends them back to, as it was told beforehand.
    pub redirect_url: String,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Whether it is to ask for the password anew each time.
    pub ask_anew: bool,
    /// What a person may here, by what it says of them.
    pub roles: Roles,
    /// How long its answers to one sign-in are awaited.
    pub timeout: Duration,
}

/// Why no provider can be asked as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum OidcSettingsError {
    /// Its URL, or the one that it sends people back to, is none.
    #[error("not a URL: {0}")]
    NotAUrl(#[from] url::ParseError),
    /// The system's certificates cannot be read.
    #[error("no provider can be asked by TLS: {0}")]
    Tls(#[from] reqwest::Error),
}

/// Why nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It did not answer, or not as a provider.
    #[error("the provider does not answer as one: {0}")]
    Unavailable(String),
    /// It refuses Limen itself: who it is to it, its secret, or what it asks for.
    #[error("the provider refuses Limen, as [oidc] has it: {0}")]
    RefusesUs(String),
    /// As many wait for it as may.
    #[error("{ASKING_MAX} sign-ins wait for the provider already")]
    Busy,
    /// It knows of no such sign-in.
    #[error("the provider takes the code for none of its own: {0}")]
    Stale(String),
    /// What it, or somebody in its name, said of the person does not hold.
    #[error("what is said of the person is not proved: {0}")]
    Unproved(String),
}

type IdFields = IdTokenFields<
    AllClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type OidcClient = Client<
    AllClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<IdFields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What it says of itself, or why it does not.
type Discovered = Result<Arc<CoreProviderMetadata>, ProviderError>;

/// An OpenID provider. It is asked when somebody signs in, and not before: gates open without it.
pub struct Provider {
    settings: OidcSettings,
    issuer: IssuerUrl,
    redirect_url: RedirectUrl,
    http: Http,
    discovered: Mutex<Option<(Instant, Discovered)>>,
    asking: Semaphore,
}

/// Without what proves who Limen is to it.
impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Provider {
    /// A provider; nothing is asked yet.
    ///
    /// # Errors
    /// [`OidcSettingsError`]
    pub fn new(settings: OidcSettings) -> Result<Self, OidcSettingsError> {
        Ok(Self {
            issuer: IssuerUrl::new(settings.issuer.clone())?,
            redirect_url: RedirectUrl::new(settings.redirect_url.clone())?,
            http: Http::new(settings.timeout)?,
            discovered: Mutex::default(),
            asking: Semaphore::new(ASKING_MAX),
            settings,
        })
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where people begin to sign in by it.
    #[must_use]
    pub fn begun_at(&self) -> &str {
        &self.settings.begin_url
    }

    /// Its URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Asks once, and logs what is wrong: better now than when somebody wants to sign in.
    pub async fn look(&self) {
        match self.in_time(self.known()).await {
            Ok(_) => tracing::info!(issuer = self.issuer(), "people may sign in by the provider"),
            Err(error) => {
                tracing::warn!(%error, issuer = self.issuer(), "nobody can sign in by the provider now")
            }
        }
    }

    /// The page of the provider's on which an attempt goes on.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub async fn page(&self, attempt: &Attempt) -> Result<String, ProviderError> {
        let client = self.client(&*self.in_time(self.known()).await?);
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let (state, nonce) = (attempt.state(), attempt.nonce());
        let mut request = client
            .authorize_url(flow, || state, || nonce)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&attempt.verifier()))
            .add_scopes(self.settings.scopes.iter().cloned().map(Scope::new));
        if self.settings.ask_anew {
            request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO);
        }
        let (page, _, _) = request.url();
        Ok(page.into())
    }

    /// Who made an attempt, by the code that their browser brought back from the provider.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub async fn person(&self, attempt: &Attempt, code: String) -> Result<Person, ProviderError> {
        self.in_time(self.vouched_for(attempt, code)).await
    }

    /// Waits for what the provider is asked, as long as that may take and with as many others as may.
    async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let _place = self.asking.try_acquire().map_err(|_| ProviderError::Busy)?;
        let timeout = self.settings.timeout;
        let late = |_| ProviderError::Unavailable(format!("not within {} ms", timeout.as_millis()));
        tokio::time::timeout(timeout, asking).await.map_err(late)?
    }

    async fn vouched_for(&self, attempt: &Attempt, code: String) -> Result<Person, ProviderError> {
        let metadata = self.discover().await?;
        let client = self.client(&metadata);
        let answer = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| ProviderError::Unavailable(error.to_string()))?
            .set_pkce_verifier(attempt.verifier())
            .request_async(&self.http)
            .await
            .map_err(http::token_error)?;
        let unproved = |error: &dyn std::error::Error| ProviderError::Unproved(http::said(error));
        let token = answer
            .id_token()
            .ok_or_else(|| ProviderError::Unproved("there is no ID token".to_owned()))?;
        let mut verifier = client.id_token_verifier();
        if self.settings.ask_anew {
            // That it was asked to is in an address that whoever sits there could change.
            verifier = verifier.set_auth_time_verifier_fn(has_just_shown);
        }
        let claims = token.claims(&verifier, &attempt.nonce()).map_err(|error| unproved(&error))?;
        let mut said = serde_json::to_value(claims).map_err(|error| unproved(&error))?;
        // Many providers keep what is longer for whoever asks.
        let roles = &self.settings.roles;
        if roles.needs_more(&said) && metadata.userinfo_endpoint().is_some() {
            let subject = Some(claims.subject().clone());
            let more: UserInfoClaims<AllClaims, CoreGenderClaim> = client
                .user_info(answer.access_token().clone(), subject)
                .map_err(|error| ProviderError::Unavailable(error.to_string()))?
                .request_async(&self.http)
                .await
                .map_err(http::user_info_error)?;
            let more = serde_json::to_value(more).map_err(|error| unproved(&error))?;
            complete(&mut said, more);
        }
        let subject = claims.subject().as_str().to_owned();
        let scopes = roles.scopes(&said);
        if scopes.is_empty() {
            let said = roles.said(&said);
            tracing::warn!(subject, said, "what the provider says of somebody gives them no role");
        }
        Ok(Person {
            name: key_name(&said, &subject).map_err(ProviderError::Unproved)?,
            scopes,
            identity: Identity { issuer: self.issuer().to_owned(), subject },
        })
    }

    /// What it says of itself, now or a little while ago. Those who ask at once wait for one answer, and where there is
    /// none, for no other.
    async fn known(&self) -> Discovered {
        let mut known = self.discovered.lock().await;
        if let Some((at, discovered)) = &*known {
            let holds = if discovered.is_ok() { BELIEVED_FOR } else { LEFT_ALONE_FOR };
            if at.elapsed() < holds {
                return discovered.clone();
            }
        }
        let discovered = self.discover().await.map(Arc::new);
        *known = Some((Instant::now(), discovered.clone()));
        discovered
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, ProviderError> {
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http)
            .await
            .map_err(|error| ProviderError::Unavailable(http::said(&error)))?;
        // The code, the secret and the keys travel as the settings have it.
        let asked = [
            Some(metadata.jwks_uri().url()),
            metadata.token_endpoint().map(|endpoint| endpoint.url()),
            metadata.userinfo_endpoint().map(|endpoint| endpoint.url()),
        ];
        let tls = self.issuer.url().scheme() == "https";
        if let Some(url) = asked.into_iter().flatten().find(|url| tls && url.scheme() != "https") {
            return Err(ProviderError::Unavailable(format!("{url} is asked in the clear")));
        }
        Ok(metadata)
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> OidcClient {
        let secret = self.settings.client_secret.as_ref();
        let methods = metadata.token_endpoint_auth_methods_supported();
        let by_header = methods
            .is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        Client::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.settings.client_id.clone()),
            secret.map(|secret| ClientSecret::new(secret.as_str().to_owned())),
        )
        .set_auth_type(if by_header { AuthType::BasicAuth } else { AuthType::RequestBody })
        .set_redirect_uri(self.redirect_url.clone())
    }
}

/// Checks when somebody showed who they are.
fn has_just_shown(at: Option<DateTime<Utc>>) -> Result<(), String> {
    match at {
        Some(at) if Utc::now() - at < SHOWN_AGO_MAX => Ok(()),
        Some(at) => Err(format!("they last showed who they are at {at}, and are to do so anew")),
        None => Err("it is not said when they showed who they are".to_owned()),
    }
}

/// Adds what was not said yet.
fn complete(said: &mut Value, more: Value) {
    if let (Some(said), Value::Object(more)) = (said.as_object_mut(), more) {
        for (claim, value) in more {
            said.entry(claim).or_insert(value);
        }
    }
}
