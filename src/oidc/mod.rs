//! Signing in by an OpenID provider: the authorization code flow (OpenID Connect Core 1.0, 3.1) with PKCE (RFC 7636).

mod attempt;
mod claims;
mod http;

use std::sync::Arc;
use std::time::{Duration, Instant};

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
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::domain::{Identity, Person};
pub use attempt::Attempt;
use claims::{AllClaims, key_name};
pub use claims::{Roles, RolesClaim};
use http::Http;

/// How long what a provider says of itself is believed where only its pages are sent to. Whoever comes back from it is
/// checked by what it says then, so that keys may be exchanged at any time.
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// Who signs people in, and how it is asked.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Its name, for people.
    pub name: String,
    /// Its URL, letter by letter as it names itself.
    pub issuer: String,
    /// Who Limen is to it.
    pub client_id: String,
    /// What proves that; none for a public client.
    pub client_secret: Option<Zeroizing<String>>,
    /// Where it sends people back to, as it was told beforehand.
    pub redirect_url: String,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Whether it is to ask for the password anew each time.
    pub ask_anew: bool,
    /// What a person may here, by what it says of them.
    pub roles: Roles,
    /// How long any one of its answers is awaited.
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
    /// It knows of no such sign-in.
    #[error("the provider takes the code for none of its own: {0}")]
    Refused(String),
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

/// An OpenID provider. It is asked when somebody signs in, and not before: gates open without it.
#[derive(Debug)]
pub struct Provider {
    settings: OidcSettings,
    issuer: IssuerUrl,
    redirect_url: RedirectUrl,
    http: Http,
    metadata: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
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
            metadata: Mutex::default(),
            settings,
        })
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// The page of the provider's on which an attempt goes on.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`]
    pub async fn page(&self, attempt: &Attempt) -> Result<String, ProviderError> {
        let client = self.client(&*self.known().await?);
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let (state, nonce) = (attempt.state(), attempt.nonce());
        let mut request = client
            .authorize_url(flow, || state, || nonce)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&attempt.verifier()))
            .add_scopes(self.settings.scopes.iter().cloned().map(Scope::new));
        if self.settings.ask_anew {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        let (page, _, _) = request.url();
        Ok(page.into())
    }

    /// Who made an attempt, by the code that their browser brought back from the provider.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub async fn person(&self, attempt: &Attempt, code: String) -> Result<Person, ProviderError> {
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
        let claims = token
            .claims(&client.id_token_verifier(), &attempt.nonce())
            .map_err(|error| unproved(&error))?;
        let mut said = serde_json::to_value(claims).map_err(|error| unproved(&error))?;
        // Many providers keep what is longer for whoever asks.
        if self.settings.roles.needs_more(&said) && metadata.userinfo_endpoint().is_some() {
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
        Ok(Person {
            name: key_name(&said, &subject).map_err(ProviderError::Unproved)?,
            scopes: self.settings.roles.scopes(&said),
            identity: Identity { issuer: self.issuer().to_owned(), subject },
        })
    }

    /// What it says of itself, now or a little while ago. Those who ask at once wait for one answer.
    async fn known(&self) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        let mut known = self.metadata.lock().await;
        if let Some((at, metadata)) = &*known
            && at.elapsed() < BELIEVED_FOR
        {
            return Ok(Arc::clone(metadata));
        }
        let metadata = Arc::new(self.discover().await?);
        *known = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, ProviderError> {
        CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http)
            .await
            .map_err(|error| ProviderError::Unavailable(http::said(&error)))
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

/// Adds what was not said yet.
fn complete(said: &mut Value, more: Value) {
    if let (Some(said), Value::Object(more)) = (said.as_object_mut(), more) {
        for (claim, value) in more {
            said.entry(claim).or_insert(value);
        }
    }
}
