//! The tables `mqtt_outlet` and `mqtt_cursors`: how far the broker is with each gate.

use uuid::Uuid;

use super::{Positions, Store, StoreError};
use crate::domain::{GateId, Stream};

impl Store {
    /// How far the broker is. The first time it begins with what is recorded after.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn published(&self) -> Result<Positions, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let begun = sqlx::query!("insert into mqtt_outlet default values on conflict do nothing");
        if begun.execute(&mut *transaction).await?.rows_affected() == 1 {
            sqlx::query!(
                "insert into mqtt_cursors (gate_id, position)
                 select stream, length from chains where stream <> $1",
                Stream::CHANGES.0,
            )
            .execute(&mut *transaction)
            .await?;
        }
        let rows = sqlx::query!("select gate_id, position from mqtt_cursors")
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let positions = rows.into_iter();
        Ok(positions.map(|row| (GateId(row.gate_id), row.position.unsigned_abs())).collect())
    }

    /// Notes that the broker has taken everything of these gates up to these positions.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn note_published(&self, taken: &Positions) -> Result<(), StoreError> {
        let (gates, positions): (Vec<Uuid>, Vec<i64>) =
            taken.iter().map(|(gate, position)| (gate.0, position.cast_signed())).unzip();
        // A gate may have been removed meanwhile, and another replica be further.
        sqlx::query!(
            "insert into mqtt_cursors (gate_id, position)
             select gates.id, taken.position
             from unnest($1::uuid[], $2::bigint[]) as taken (gate_id, position)
             join gates on gates.id = taken.gate_id
             on conflict (gate_id) do update set position = excluded.position
                 where mqtt_cursors.position < excluded.position",
            &gates,
            &positions,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many passages the broker has not been told of yet.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn mqtt_backlog(&self) -> Result<u64, StoreError> {
        let backlog = sqlx::query_scalar!(
            r#"select coalesce(sum(length - greatest(coalesce(position, 0), purged)), 0)::bigint as "backlog!"
               from chains left join mqtt_cursors on gate_id = stream
               where stream <> $1"#,
            Stream::CHANGES.0,
        );
        Ok(backlog.fetch_one(&self.pool).await?.unsigned_abs())
    }
}
