package abi

// Class says how dangerous a credential is. The order is total:
// token < session < password; one_time stands beside them.
type Class string

// The classes of DESIGN section 3. A credential marked identity has
// [ClassNone].
const (
	ClassNone     Class = ""
	ClassToken    Class = "long_lived_token"
	ClassSession  Class = "session"
	ClassPassword Class = "password"
	ClassOneTime  Class = "one_time"
)

// Classes lists the classes a credential may declare, lowest first.
func Classes() []Class { return []Class{ClassToken, ClassSession, ClassPassword, ClassOneTime} }

// Rank orders the stored classes: 1 token, 2 session, 3 password. It is 0 for
// [ClassNone], [ClassOneTime] and anything unknown.
func (c Class) Rank() int {
	switch c {
	case ClassToken:
		return 1
	case ClassSession:
		return 2
	case ClassPassword:
		return 3
	}
	return 0
}

// Valid reports whether c is one of [Classes].
func (c Class) Valid() bool { return c.Rank() > 0 || c == ClassOneTime }

// Highest returns the class in force: the highest of those given. one_time
// never mixes with another class: the answer is then ok == false.
func Highest(classes ...Class) (highest Class, ok bool) {
	for _, c := range classes {
		switch {
		case c == ClassNone:
		case highest == ClassNone:
			highest = c
		case (c == ClassOneTime) != (highest == ClassOneTime):
			return ClassNone, false
		case c.Rank() > highest.Rank():
			highest = c
		}
	}
	return highest, true
}

// Role is what a guest is there for. One instance of a guest has one role.
type Role string

// The roles of DESIGN section 3.
const (
	RoleCollector Role = "collector"
	RoleBootstrap Role = "bootstrap"
	RoleAutoLogin Role = "auto_login"
)

// Roles lists the roles.
func Roles() []Role { return []Role{RoleCollector, RoleBootstrap, RoleAutoLogin} }

// Valid reports whether r is one of [Roles].
func (r Role) Valid() bool {
	return r == RoleCollector || r == RoleBootstrap || r == RoleAutoLogin
}

// Access is a way to use a credential.
type Access string

// The accesses of DESIGN section 2.
const (
	AccessUse    Access = "use"    // the host puts the value in where a surrogate stands
	AccessSign   Access = "sign"   // the host signs with it
	AccessTOTP   Access = "totp"   // the host computes a one-time code from it
	AccessReveal Access = "reveal" // the guest reads it; never class 3
)

// Accesses lists the accesses.
func Accesses() []Access { return []Access{AccessUse, AccessSign, AccessTOTP, AccessReveal} }

// Valid reports whether a is one of [Accesses].
func (a Access) Valid() bool {
	return a == AccessUse || a == AccessSign || a == AccessTOTP || a == AccessReveal
}
