//! Bearer tokens, such as service accounts have.

use std::collections::HashMap;

use super::User;
use super::http::Request;
use super::status::Status;

/// The tokens that the API server knows, and whether it takes requests without any credential.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    users: HashMap<String, User>,
    required: bool,
}

impl Tokens {
    pub(crate) fn add(&mut self, token: &str, user: &str, groups: &[&str]) {
        let mut groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        groups.push("system:authenticated".into());
        let user = User {
            name: user.to_owned(),
            groups,
            ..User::anonymous()
        };
        self.users.insert(token.to_owned(), user);
    }

    pub(crate) fn revoke(&mut self, token: &str) {
        self.users.remove(token);
    }

    pub(crate) fn require(&mut self) {
        self.required = true;
    }

    /// Who asks: the user of the client certificate, else that of the token. As in the real one, a token that is not known
    /// is refused, also where requests without any credential are taken.
    pub(crate) fn user_of(
        &self,
        certificate: Option<&User>,
        request: &Request,
    ) -> Result<User, Status> {
        if let Some(user) = certificate {
            return Ok(user.clone());
        }
        let token = request.header("authorization").and_then(bearer);
        match token {
            Some(token) => self
                .users
                .get(token)
                .cloned()
                .ok_or_else(Status::unauthorized),
            None if self.required => Err(Status::unauthorized()),
            None => Ok(User::anonymous()),
        }
    }
}

/// The token of `Bearer TOKEN`.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
