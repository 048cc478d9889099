//! The keys of people who sign in by an OpenID provider, in `api_keys`.

use super::keys::{ApiKey, KeyDraft, key_row};
use super::{Store, StoreError};
use crate::domain::{Author, Identity, KeyId, Scope};

impl Store {
    /// The key of somebody who signs in: their own, brought up to the draft's name and scopes, or else one made of the
    /// draft. A revoked one stays as it is.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn key_of(
        &self,
        identity: &Identity,
        draft: &KeyDraft,
    ) -> Result<ApiKey, StoreError> {
        if let Some(known) = self.key_of_identity(identity).await? {
            return self.brought_up(known, draft).await;
        }
        self.create_key_of(identity, draft).await?;
        let made = self.key_of_identity(identity).await?;
        made.ok_or(StoreError::NotFound("API key"))
    }

    /// The key of whom a provider means, revoked or not.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn key_of_identity(&self, identity: &Identity) -> Result<Option<ApiKey>, StoreError> {
        let (issuer, subject) = (&identity.issuer, &identity.subject);
        let found = key_row!(
            "where oidc_issuer = $1 and oidc_subject = $2 and readmitted_at is null",
            issuer,
            subject,
        );
        found.fetch_optional(&self.pool).await?.map(ApiKey::try_from).transpose()
    }

    /// Lets whom a revoked key stood for sign in again, with another key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such key, or it is not revoked.
    pub async fn readmit(&self, author: &Author, key: KeyId) -> Result<(), StoreError> {
        let mut changing = self.changing(author).await?;
        let readmitted = sqlx::query!(
            "update api_keys set readmitted_at = now()
             where id = $1 and revoked_at is not null and oidc_issuer is not null and readmitted_at is null",
            key.0
        )
        .execute(&mut *changing)
        .await?
        .rows_affected();
        if readmitted == 0 {
            return Err(StoreError::NotFound("revoked key of somebody who signs in by a provider"));
        }
        changing.commit().await
    }

    async fn brought_up(&self, known: ApiKey, draft: &KeyDraft) -> Result<ApiKey, StoreError> {
        let same = known.draft.name == draft.name && known.draft.scopes == draft.scopes;
        if same || !known.valid {
            return Ok(known);
        }
        let id = known.draft.id;
        let mut changing = self.changing(&Author::signing_in(id, &draft.name)).await?;
        sqlx::query!(
            "update api_keys set name = $2, scopes = $3 where id = $1 and revoked_at is null",
            id.0,
            draft.name.as_str(),
            &codes(draft),
        )
        .execute(&mut *changing)
        .await?;
        match changing.commit().await {
            // It was revoked meanwhile, and changes nothing any more.
            Err(StoreError::KeyRevoked) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        self.key(id).await?.ok_or(StoreError::NotFound("API key"))
    }

    async fn create_key_of(&self, identity: &Identity, draft: &KeyDraft) -> Result<(), StoreError> {
        let mut changing = self.changing(&Author::signing_in(draft.id, &draft.name)).await?;
        let made = sqlx::query!(
            "insert into api_keys (id, name, secret_sha256, scopes, oidc_issuer, oidc_subject)
             values ($1, $2, $3, $4, $5, $6) on conflict (oidc_issuer, oidc_subject) where readmitted_at is null do nothing",
            draft.id.0,
            draft.name.as_str(),
            &draft.secret_sha256,
            &codes(draft),
            identity.issuer,
            identity.subject,
        )
        .execute(&mut *changing)
        .await?
        .rows_affected();
        // Another sign-in of theirs, at the same moment, was first: nothing is changed, and by nobody.
        if made == 0 { Ok(()) } else { changing.commit().await }
    }
}

fn codes(draft: &KeyDraft) -> Vec<String> {
    draft.scopes.iter().map(Scope::to_string).collect()
}
