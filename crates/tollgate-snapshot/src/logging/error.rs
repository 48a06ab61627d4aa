/// Why a format cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// No operator begins at this `%`; `at` counts bytes.
    #[error("the `%` at byte {at} begins no command operator; `%%` writes a percent sign")]
    Unclosed {
        /// Where it is.
        at: usize,
    },
    /// Nobody knows this operator.
    #[error("unknown command operator %{0}%")]
    Unknown(String),
    /// Envoy has it, we have not.
    #[error("command operator %{0}% is not served")]
    NotServed(&'static str),
    /// It stands alone, and has something in parentheses.
    #[error("command operator %{0}% takes no argument")]
    Surplus(String),
    /// What stands in its parentheses.
    #[error("command operator %{operator}%: {said:?} is not {wanted}")]
    Argument {
        /// Its name.
        operator: &'static str,
        /// What is there.
        said: String,
        /// What has to be.
        wanted: &'static str,
    },
    /// A CEL expression.
    #[error("command operator %{operator}%: {error}")]
    Expression {
        /// The operator's name.
        operator: &'static str,
        /// The compiler's words.
        error: String,
    },
    /// In a member of a JSON format.
    #[error("{key}: {error}")]
    Member {
        /// Its name.
        key: String,
        /// What is wrong with its value.
        error: Box<Self>,
    },
}
