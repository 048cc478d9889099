//! What the client asks for, by the names of the contract.

use reqwest::Method;
use uuid::Uuid;

/// An operation of the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    method: &'static str,
    path: &'static str,
}

impl Operation {
    pub fn method(&self) -> Method {
        match self.method {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => Method::GET,
        }
    }

    /// The path, with these ids in the place of its parameters.
    pub fn path(&self, ids: &[Uuid]) -> String {
        let mut ids = ids.iter();
        let parts = self.path.split('/').map(|part| match part.starts_with('{') {
            true => ids.next().map(Uuid::to_string).unwrap_or_default(),
            false => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

macro_rules! operations {
    ($($name:ident = $method:literal $path:literal;)*) => {
        $(pub(crate) const $name: Operation = Operation { method: $method, path: $path };)*

        /// Everything that this client asks for: method and path, as the contract of the service writes them.
        pub const OPERATIONS: &[(&str, &str)] = &[$(($method, $path)),*];
    };
}

operations! {
    READY = "GET" "/readyz";
    GRANT_KEY = "GET" "/v1/grant-key";
    VERIFY = "POST" "/v1/verify";
    RECOGNIZE = "POST" "/v1/recognize";
    LIVENESS = "POST" "/v1/liveness";
    PASS = "POST" "/v1/gates/{gate_id}/passages";
    REPORT = "POST" "/v1/gates/{gate_id}/inputs";
    LIST_PASSAGES = "GET" "/v1/passages";
    READ_PASSAGE = "GET" "/v1/passages/{passage_id}";
    FOLLOW = "GET" "/v1/events";
    FOLLOW_GATE = "GET" "/v1/gates/{gate_id}/events";
    LIST_EMPLOYEES = "GET" "/v1/employees";
    CREATE_EMPLOYEE = "POST" "/v1/employees";
    READ_EMPLOYEE = "GET" "/v1/employees/{employee_id}";
    CHANGE_EMPLOYEE = "PATCH" "/v1/employees/{employee_id}";
    DELETE_EMPLOYEE = "DELETE" "/v1/employees/{employee_id}";
    LIST_ACCESS = "GET" "/v1/employees/{employee_id}/access";
    LIST_FACES = "GET" "/v1/employees/{employee_id}/faces";
    ENROLL_FACE = "POST" "/v1/employees/{employee_id}/faces";
    DELETE_FACE = "DELETE" "/v1/employees/{employee_id}/faces/{face_id}";
    LIST_INVITATIONS = "GET" "/v1/employees/{employee_id}/invitations";
    CREATE_INVITATION = "POST" "/v1/employees/{employee_id}/invitations";
    REVOKE_INVITATION = "DELETE" "/v1/employees/{employee_id}/invitations/{invitation_id}";
    LIST_GATES = "GET" "/v1/gates";
    CREATE_GATE = "POST" "/v1/gates";
    READ_GATE = "GET" "/v1/gates/{gate_id}";
    CHANGE_GATE = "PATCH" "/v1/gates/{gate_id}";
    DELETE_GATE = "DELETE" "/v1/gates/{gate_id}";
    CREATE_CREDENTIAL = "POST" "/v1/gates/{gate_id}/credentials";
    LIST_GROUPS = "GET" "/v1/access-groups";
    CREATE_GROUP = "POST" "/v1/access-groups";
    READ_GROUP = "GET" "/v1/access-groups/{group_id}";
    CHANGE_GROUP = "PATCH" "/v1/access-groups/{group_id}";
    DELETE_GROUP = "DELETE" "/v1/access-groups/{group_id}";
    LIST_MEMBERS = "GET" "/v1/access-groups/{group_id}/members";
    SET_MEMBER = "PUT" "/v1/access-groups/{group_id}/members/{employee_id}";
    DELETE_MEMBER = "DELETE" "/v1/access-groups/{group_id}/members/{employee_id}";
}
