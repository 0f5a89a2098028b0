package main

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// The records of the manifest's streams, and what GitHub's API says of each.

type user struct {
	ID        string  `json:"id"`
	Login     string  `json:"login"`
	Name      *string `json:"name"`
	Email     *string `json:"email"`
	Bio       *string `json:"bio"`
	Company   *string `json:"company"`
	Location  *string `json:"location"`
	Blog      *string `json:"blog"`
	Twitter   *string `json:"twitter_username"`
	CreatedAt *string `json:"created_at"`
	UpdatedAt *string `json:"updated_at"`
	AvatarURL *string `json:"avatar_url"`
}

type apiUser struct {
	user
	ID int64 `json:"id"`
}

func (a apiUser) record() user {
	a.user.ID = strconv.FormatInt(a.ID, 10)
	return a.user
}

type repository struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	FullName      string   `json:"full_name"`
	OwnerLogin    *string  `json:"owner_login"`
	Description   *string  `json:"description"`
	Private       bool     `json:"private"`
	Fork          bool     `json:"fork"`
	Archived      bool     `json:"archived"`
	Disabled      bool     `json:"disabled"`
	DefaultBranch *string  `json:"default_branch"`
	Language      *string  `json:"language"`
	Topics        []string `json:"topics"`
	Stargazers    *int64   `json:"stargazers_count"`
	Forks         *int64   `json:"forks_count"`
	OpenIssues    *int64   `json:"open_issues_count"`
	Watchers      *int64   `json:"watchers_count"`
	SizeKB        *int64   `json:"size_kb"`
	LicenseKey    *string  `json:"license_key"`
	HTMLURL       *string  `json:"html_url"`
	Homepage      *string  `json:"homepage"`
	CreatedAt     *string  `json:"created_at"`
	UpdatedAt     *string  `json:"updated_at"`
	PushedAt      *string  `json:"pushed_at"`
}

type apiRepository struct {
	repository
	ID      int64        `json:"id"`
	Owner   *apiLogin    `json:"owner"`
	Size    *int64       `json:"size"`
	License *apiKeyNamed `json:"license"`
}

type apiLogin struct {
	Login string `json:"login"`
	ID    int64  `json:"id"`
}

type apiKeyNamed struct {
	Key *string `json:"key"`
}

func (a apiRepository) record() repository {
	r := a.repository
	r.ID, r.SizeKB, r.Topics = strconv.FormatInt(a.ID, 10), a.Size, list0(r.Topics)
	if a.Owner != nil {
		r.OwnerLogin = &a.Owner.Login
	}
	if a.License != nil {
		r.LicenseKey = a.License.Key
	}
	return r
}

type star struct {
	ID          string  `json:"id"`
	FullName    string  `json:"full_name"`
	Description *string `json:"description"`
	Language    *string `json:"language"`
	Stargazers  *int64  `json:"stargazers_count"`
	HTMLURL     *string `json:"html_url"`
	StarredAt   *string `json:"starred_at"`
}

// apiStar is what GitHub answers to the media type star+json.
type apiStar struct {
	StarredAt *string        `json:"starred_at"`
	Repo      *apiRepository `json:"repo"`
}

func (a apiStar) record() star {
	r := a.Repo.record()
	return star{ID: r.ID, FullName: r.FullName, Description: r.Description, Language: r.Language,
		Stargazers: r.Stargazers, HTMLURL: r.HTMLURL, StarredAt: a.StarredAt}
}

type issue struct {
	ID             string   `json:"id"`
	Number         *int64   `json:"number"`
	Title          *string  `json:"title"`
	Body           *string  `json:"body"`
	State          *string  `json:"state"`
	StateReason    *string  `json:"state_reason"`
	UserLogin      *string  `json:"user_login"`
	UserID         *string  `json:"user_id"`
	Assignees      []string `json:"assignees"`
	Labels         []string `json:"labels"`
	MilestoneTitle *string  `json:"milestone_title"`
	RepositoryName *string  `json:"repository_full_name"`
	RepositoryID   *string  `json:"repository_id"`
	HTMLURL        *string  `json:"html_url"`
	Comments       *int64   `json:"comments"`
	Reactions      *int64   `json:"reactions_total_count"`
	CreatedAt      *string  `json:"created_at"`
	UpdatedAt      *string  `json:"updated_at"`
	ClosedAt       *string  `json:"closed_at"`
	IsPullRequest  bool     `json:"is_pull_request"`
	PullRequestURL *string  `json:"pull_request_url"`
	Draft          *bool    `json:"draft"`
}

type apiIssue struct {
	ID          int64      `json:"id"`
	Number      *int64     `json:"number"`
	Title       *string    `json:"title"`
	Body        *string    `json:"body"`
	State       *string    `json:"state"`
	StateReason *string    `json:"state_reason"`
	User        *apiLogin  `json:"user"`
	Assignees   []apiLogin `json:"assignees"`
	Labels      []struct {
		Name string `json:"name"`
	} `json:"labels"`
	Milestone *struct {
		Title *string `json:"title"`
	} `json:"milestone"`
	Repository *struct {
		ID       int64  `json:"id"`
		FullName string `json:"full_name"`
	} `json:"repository"`
	HTMLURL   *string `json:"html_url"`
	Comments  *int64  `json:"comments"`
	Reactions *struct {
		Total *int64 `json:"total_count"`
	} `json:"reactions"`
	CreatedAt   *string `json:"created_at"`
	UpdatedAt   string  `json:"updated_at"`
	ClosedAt    *string `json:"closed_at"`
	Draft       *bool   `json:"draft"`
	PullRequest *struct {
		HTMLURL *string `json:"html_url"`
	} `json:"pull_request"`
}

// maxBody is how many characters of an issue's text are kept.
const maxBody = 20_000

func (a apiIssue) record() issue {
	i := issue{ID: strconv.FormatInt(a.ID, 10), Number: a.Number, Title: a.Title, Body: cut(a.Body, maxBody), State: a.State,
		StateReason: a.StateReason, Assignees: []string{}, Labels: []string{}, HTMLURL: a.HTMLURL, Comments: a.Comments,
		CreatedAt: a.CreatedAt, UpdatedAt: &a.UpdatedAt, ClosedAt: a.ClosedAt, IsPullRequest: a.PullRequest != nil, Draft: a.Draft}
	if a.User != nil {
		i.UserLogin, i.UserID = &a.User.Login, number(a.User.ID)
	}
	for _, one := range a.Assignees {
		i.Assignees = append(i.Assignees, one.Login)
	}
	for _, one := range a.Labels {
		i.Labels = append(i.Labels, one.Name)
	}
	if a.Milestone != nil {
		i.MilestoneTitle = a.Milestone.Title
	}
	if a.Repository != nil {
		i.RepositoryName, i.RepositoryID = &a.Repository.FullName, number(a.Repository.ID)
	}
	if a.Reactions != nil {
		i.Reactions = a.Reactions.Total
	}
	if a.PullRequest != nil {
		i.PullRequestURL = a.PullRequest.HTMLURL
	}
	return i
}

type gist struct {
	ID             string     `json:"id"`
	Description    *string    `json:"description"`
	Public         bool       `json:"public"`
	HTMLURL        *string    `json:"html_url"`
	Files          []gistFile `json:"files"`
	FilesTruncated bool       `json:"files_truncated"`
	FilesTotal     int        `json:"files_total_count"`
	Comments       *int64     `json:"comments_count"`
	CreatedAt      *string    `json:"created_at"`
	UpdatedAt      *string    `json:"updated_at"`
}

type gistFile struct {
	Filename string  `json:"filename"`
	Type     *string `json:"type"`
	Language *string `json:"language"`
	RawURL   *string `json:"raw_url"`
	Size     *int64  `json:"size"`
}

type apiGist struct {
	gist
	Files    map[string]gistFile `json:"files"`
	Comments *int64              `json:"comments"`
}

// maxFiles is how many of a gist's files a record names.
const maxFiles = 10

func (a apiGist) record() gist {
	files := slices.SortedFunc(maps.Values(a.Files), func(x, y gistFile) int { return cmp.Compare(x.Filename, y.Filename) })
	g := a.gist
	g.Files, g.FilesTotal, g.FilesTruncated, g.Comments = list0(files), len(files), len(files) > maxFiles, a.Comments
	g.Files = g.Files[:min(len(files), maxFiles)]
	return g
}

func number(n int64) *string {
	text := strconv.FormatInt(n, 10)
	return &text
}

// list0 is an empty list instead of none.
func list0[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// cut keeps a text's first characters.
func cut(text *string, most int) *string {
	if text == nil || len(*text) <= most {
		return text
	}
	runes := []rune(*text)
	short := string(runes[:min(len(runes), most)])
	return &short
}
