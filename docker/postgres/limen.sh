#!/bin/bash
# Runs once, when the volume is empty: the role and the database of Limen, which is no superuser.
set -euo pipefail
psql --username "$POSTGRES_USER" --no-psqlrc --set ON_ERROR_STOP=1 <<'SQL'
\getenv password LIMEN_DATABASE_PASSWORD
create role limen login password :'password';
create database limen owner limen;
SQL
