//! What the configuration says of the OpenID provider, with what its file holds.

use anyhow::{Context, ensure};
use zeroize::Zeroizing;

use super::secret_file;
use crate::config::{Config, OidcConfig};
use crate::http::{OIDC_BEGIN, OIDC_CALLBACK};
use crate::oidc::{OidcSettings, Provider, Roles};

/// Who signs people in; none where no provider is named.
///
/// # Errors
/// When the file cannot be read; with the way out.
pub(super) fn provider(config: &Config) -> anyhow::Result<Option<Provider>> {
    let oidc = &config.oidc;
    let (Some(issuer), Some(base)) = (&oidc.issuer, &config.server.base_url) else {
        return Ok(None);
    };
    let base = base.as_str().trim_end_matches('/');
    let settings = OidcSettings {
        name: oidc.name.clone(),
        issuer: issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret: secret(oidc)?,
        begin_url: format!("{base}{OIDC_BEGIN}"),
        redirect_url: format!("{base}{OIDC_CALLBACK}"),
        scopes: oidc.scopes.clone(),
        ask_anew: oidc.ask_anew,
        roles: Roles { claim: oidc.roles_claim.clone(), scopes: oidc.roles.clone() },
        timeout: oidc.timeout(),
    };
    Ok(Some(Provider::new(settings).context("[oidc] of config.toml")?))
}

fn secret(oidc: &OidcConfig) -> anyhow::Result<Option<Zeroizing<String>>> {
    let secret = match (&oidc.client_secret, &oidc.client_secret_file) {
        (Some(secret), _) => Zeroizing::new(secret.0.clone()),
        (None, Some(file)) => {
            let text = secret_file(file, "the secret for the provider")
                .context("`client_secret_file` in [oidc] of config.toml")?;
            // The line's end is the editor's.
            Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, None) => return Ok(None),
    };
    ensure!(
        !secret.is_empty(),
        "the secret of [oidc] is empty: a public client has neither a secret nor a file"
    );
    Ok(Some(secret))
}
