//! Finds the employee whom a label means, or creates them.

use anyhow::{Context, bail};

use super::plan::{Label, Person};
use crate::domain::{BadgeId, Employee, EmployeeName, EmployeeStatus, Validity};
use crate::store::{EmployeeFilter, NewEmployee, Store};

/// People of one name that are looked at before a name counts as ambiguous.
const SAME_NAME_MAX: u32 = 500;

/// The employees in the database, found by label.
pub(super) struct People {
    store: Store,
}

impl People {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The employee whom a label means, if there is one: by badge first, else by name.
    pub async fn find(&self, person: &Person) -> anyhow::Result<Option<Employee>> {
        match &person.label {
            Label::BadgeOrName(text) => match self.by_badge(text).await? {
                Some(employee) => Ok(Some(employee)),
                None => self.by_name(&readable(text)).await,
            },
            Label::Stated { badge_id: Some(badge), .. } => self.by_badge(badge).await,
            Label::Stated { name: Some(name), .. } => self.by_name(name).await,
            Label::Stated { .. } => Ok(None),
        }
    }

    /// Creates the employee whom a label means.
    pub async fn create(&self, person: &Person) -> anyhow::Result<Employee> {
        let (badge_id, name, department) = match &person.label {
            Label::BadgeOrName(text) => (None, readable(text), None),
            Label::Stated { badge_id, name, department } => {
                let name = name.clone().or_else(|| badge_id.clone()).context("no name")?;
                (badge_id.clone(), name, department.clone())
            }
        };
        let new = NewEmployee {
            badge_id: badge_id.map(BadgeId::try_from).transpose()?,
            name: name.parse::<EmployeeName>()?,
            department: department.map(TryInto::try_into).transpose()?,
            metadata: serde_json::json!({}),
            validity: Validity::default(),
            status: EmployeeStatus::Active,
        };
        Ok(self.store.create_employee(new).await?)
    }

    async fn by_badge(&self, text: &str) -> anyhow::Result<Option<Employee>> {
        match text.parse::<BadgeId>() {
            Ok(badge) => Ok(self.store.employee_by_badge(&badge).await?),
            Err(_) => Ok(None),
        }
    }

    async fn by_name(&self, name: &str) -> anyhow::Result<Option<Employee>> {
        let filter =
            EmployeeFilter { name_contains: Some(name.to_owned()), ..EmployeeFilter::default() };
        let mut same = self.store.employees(&filter, None, SAME_NAME_MAX).await?;
        same.retain(|employee| employee.name.as_str() == name);
        if same.len() > 1 {
            bail!("{} employees are called {name:?}: name the photo by badge", same.len());
        }
        Ok(same.pop())
    }
}

/// `Ada_Lovelace` is how a file system spells Ada Lovelace.
fn readable(file_name: &str) -> String {
    file_name.replace('_', " ").trim().to_owned()
}
