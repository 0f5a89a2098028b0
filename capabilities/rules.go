package capabilities

// Rule names the rule that decided, for the audit log and for tests. Names
// are stable: an audit log of years ago still reads.
type Rule string

// The rules, in the order in which [Decide] asks.
const (
	// RuleMalformed: the host asked something that makes no sense.
	RuleMalformed Rule = "malformed_request"
	// RuleUndeclared: the manifest declares no credential of that name.
	RuleUndeclared Rule = "not_declared"

	// RuleNoApproval: the owner never approved this scope.
	RuleNoApproval Rule = "no_approval"
	// RuleUnapproved: the approval does not name the credential.
	RuleUnapproved Rule = "not_approved"

	// RuleRevoked: the owner took the approval back.
	RuleRevoked Rule = "approval_revoked"
	// RuleReplay: a newer approval or revocation than this was seen once.
	RuleReplay Rule = "approval_replayed"
	// RuleOtherScope: the approval is of another owner, connector, instance
	// or grant.
	RuleOtherScope Rule = "approval_other_scope"
	// RuleApprovalExpired: the approval is past its time.
	RuleApprovalExpired Rule = "approval_expired"
	// RuleMode: the approval was given for another deployment mode.
	RuleMode Rule = "approval_other_mode"
	// RuleManifestDigest: the manifest is not the approved one.
	RuleManifestDigest Rule = "manifest_changed"
	// RuleModuleDigest: the module of this role is not the approved one.
	RuleModuleDigest Rule = "module_changed"

	// RuleIdentity: what was approved as an account name is now a secret, or
	// the other way round.
	RuleIdentity Rule = "identity_changed"
	// RuleAccessUndeclared and RuleAccessUnapproved: not in this way.
	RuleAccessUndeclared Rule = "access_not_declared"
	RuleAccessUnapproved Rule = "access_not_approved"
	// RuleClassMixed: the classes declared, approved and stored cannot all be
	// true of one value.
	RuleClassMixed Rule = "class_mixed"
	// RuleReveal: a password is never revealed.
	RuleReveal Rule = "class_never_revealed"
	// RuleRole: this role never touches this class.
	RuleRole Rule = "role_class"

	// RuleDestinationUndeclared and RuleDestinationUnapproved: not there.
	RuleDestinationUndeclared Rule = "destination_not_declared"
	RuleDestinationUnapproved Rule = "destination_not_approved"

	// RuleMissing: nothing is stored.
	RuleMissing Rule = "not_stored"
	// RuleProvenance: it was stored for another scope, or nobody knows how.
	RuleProvenance Rule = "not_provided_here"
	// RuleDelegation: a password is never delegated.
	RuleDelegation Rule = "class_never_delegated"
	// RuleStoredClass: this class is never kept in a store, or not in this
	// deployment mode.
	RuleStoredClass Rule = "class_never_stored"
	// RuleExpired: the stored value is past its time.
	RuleExpired Rule = "expired"
	// RuleRejected: the source refused the stored value.
	RuleRejected Rule = "rejected"

	// RuleAllow: all of the above were asked and none refused.
	RuleAllow Rule = "allow"
)

// Rules lists every rule, in the order in which [Decide] asks.
func Rules() []Rule {
	return []Rule{
		RuleMalformed, RuleUndeclared,
		RuleNoApproval, RuleUnapproved, RuleRevoked, RuleReplay, RuleOtherScope, RuleApprovalExpired, RuleMode,
		RuleManifestDigest, RuleModuleDigest,
		RuleIdentity, RuleAccessUndeclared, RuleAccessUnapproved, RuleClassMixed, RuleReveal, RuleRole,
		RuleDestinationUndeclared, RuleDestinationUnapproved,
		RuleMissing, RuleProvenance, RuleDelegation, RuleStoredClass, RuleExpired, RuleRejected,
		RuleAllow,
	}
}
