//! Finds the employee whom a label means, or creates them.

use anyhow::{Context, bail};
use tokio::sync::Mutex;

use super::plan::{Label, Person};
use crate::cli::author;
use crate::domain::{BadgeId, Employee, EmployeeName, EmployeeStatus, Validity};
use crate::store::{NewEmployee, Store};

/// How many people of one name are looked at.
const SAME_NAME_MAX: u32 = 100;

/// The employees in the database, found by label.
pub(super) struct People {
    store: Store,
    /// Held from looking for somebody until they are created, so that nobody is created twice: two
    /// labels may mean the same person.
    creating: Mutex<()>,
}

impl People {
    pub fn new(store: Store) -> Self {
        Self { store, creating: Mutex::new(()) }
    }

    /// The employee whom a label means, if there is one: by badge first, else by name.
    ///
    /// A badge whose owner has another name than the label states is an error: a mistake in a list
    /// must not put one person's face on another's badge.
    pub async fn find(&self, person: &Person) -> anyhow::Result<Option<Employee>> {
        match &person.label {
            Label::BadgeOrName(text) => match self.by_badge(text).await? {
                Some(employee) => Ok(Some(employee)),
                None => self.by_name(&readable(text)).await,
            },
            Label::Stated { badge_id: Some(badge), name, .. } => {
                let owner = self.by_badge(badge).await?;
                match (&owner, name) {
                    (Some(owner), Some(name)) if !is_same(owner.name.as_str(), name) => {
                        bail!("the badge {badge} is that of {}, not of {name}", owner.name)
                    }
                    // Without a name the badge would become it.
                    (None, name) => {
                        self.check_badgeless(name.as_ref().unwrap_or(badge), badge).await?;
                    }
                    _ => {}
                }
                Ok(owner)
            }
            Label::Stated { name: Some(name), .. } => self.by_name(name).await,
            Label::Stated { .. } => Ok(None),
        }
    }

    /// As [`find`](Self::find), else the employee is created; whether that was so is told with them.
    pub async fn find_or_create(&self, person: &Person) -> anyhow::Result<(Employee, bool)> {
        let _turn = self.creating.lock().await;
        match self.find(person).await? {
            Some(employee) => Ok((employee, false)),
            None => Ok((self.create(person).await?, true)),
        }
    }

    async fn create(&self, person: &Person) -> anyhow::Result<Employee> {
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
            badge_required: false,
        };
        Ok(self.store.create_employee(&author("enroll"), new).await?)
    }

    /// Refuses a new badge for a name that somebody has who has no badge: probably the same person,
    /// and a second entry would go on opening when the first is revoked.
    async fn check_badgeless(&self, name: &str, badge: &str) -> anyhow::Result<()> {
        let same = self.store.employees_by_name(&name.parse()?, SAME_NAME_MAX).await?;
        match same.iter().find(|employee| employee.badge_id.is_none()) {
            Some(employee) => bail!(
                "{name} is known without a badge (employee {}): give them the badge {badge} first, \
                 PATCH /v1/employees/{}",
                employee.id,
                employee.id
            ),
            None => Ok(()),
        }
    }

    async fn by_badge(&self, text: &str) -> anyhow::Result<Option<Employee>> {
        match text.parse::<BadgeId>() {
            Ok(badge) => Ok(self.store.employee_by_badge(&badge).await?),
            Err(_) => Ok(None),
        }
    }

    async fn by_name(&self, name: &str) -> anyhow::Result<Option<Employee>> {
        let mut same = self.store.employees_by_name(&name.parse()?, 2).await?;
        if same.len() > 1 {
            bail!("several employees are called {name}: name the photo by badge");
        }
        Ok(same.pop())
    }
}

/// Whether two names differ in their capitals at most.
pub(super) fn is_same(name: &str, other: &str) -> bool {
    name.to_lowercase() == other.to_lowercase()
}

/// `Ada_Lovelace` is how a file system spells Ada Lovelace.
pub(super) fn readable(file_name: &str) -> String {
    file_name.replace('_', " ").trim().to_owned()
}
