//! How methods are answered without code: from a store, as far as their types and names tell.
//!
//! [`Plan::infer`] reads a schema and decides for every method; the plan can be printed
//! ([`Plan::table`]) before anything is served. [`Plan::bind`] registers what was decided.
//!
//! What the types and the name leave open is not guessed: such a method is UNIMPLEMENTED, with the
//! reason, and a [`Bind`] decides it by hand.
//!
//! ```
//! # fn main() -> Result<(), reflectd::Error> {
//! use reflectd::{Schema, binding::Plan};
//!
//! let schema = Schema::compile(["proto/user.proto"], [""; 0])?;
//! let plan = Plan::infer(&schema, &[])?;
//! let add = plan.methods().next().expect("the schema has methods");
//! assert_eq!(add.answered_by().as_str(), "store");
//! assert_eq!(add.key(), Some("id"));
//! assert_eq!(
//!     add.reason(),
//!     "User → UserId: `UserId` is a key of `User` (Value ↔ id)"
//! );
//! # Ok(())
//! # }
//! ```

mod bind;
mod method_plan;
mod plan;
mod store;
mod table;

pub use bind::Bind;
pub use method_plan::{AnsweredBy, MethodPlan};
pub use plan::Plan;
pub use store::Op;
