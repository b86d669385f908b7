package seed

import (
	"cmp"
	"embed"
	"encoding/json"
	"strconv"

	"github.com/gitover/gitover/steps/postgres"
)

var (
	// BackupScript runs by sh in blue's image, UpgradeScript in green's after it. Environment is the input of both.
	//
	//go:embed backup.sh
	BackupScript string
	//go:embed upgrade.sh
	UpgradeScript string
)

//go:embed sql
var files embed.FS

var query = postgres.Queries(files)

// Input of the scripts.
type Input struct {
	// Run tells one upgrade of the same PgUpgrade from the next.
	Run string
	// Databases that the upgrade moves; green has no others but those for administration.
	Databases []string
	// Blue as the Job reaches it. Its password isn't part of the environment (PasswordVariable).
	Blue postgres.Server
	// BlueMajor is its version.
	BlueMajor int
	// Application is the name of the backup's connection, by which its progress is found.
	Application string
	// Data is green's data directory in the containers; Work and Tools are directories for the scripts, Work on the same file
	// system as Data, and Tools shared by both containers.
	Data, Work, Tools string
	// Needed are the bytes of blue's data directory without WAL; 0 if that isn't known.
	Needed int64
	// Jobs is how many databases and files pg_upgrade does at a time.
	Jobs int
}

// PasswordVariable is the environment variable that has blue's password, in the first container.
const PasswordVariable = "BLUE_PGPASSWORD"

// Variable of the environment.
type Variable struct{ Name, Value string }

// Environment of both scripts, in order; no secret is among it.
func (i Input) Environment() ([]Variable, error) {
	keep, err := json.Marshal(i.Databases)
	if err != nil {
		return nil, err
	}
	env := []Variable{
		{"PGDATA", i.Data}, {"GITOVER_WORK", i.Work}, {"GITOVER_TOOLS", i.Tools}, {"GITOVER_RUN", i.Run},
		{"GITOVER_KEEP", string(keep)}, {"GITOVER_MAINTENANCE", cmp.Or(i.Blue.MaintenanceDatabase, "postgres")}, {"GITOVER_APPLICATION", i.Application},
		{"GITOVER_BLUE_MAJOR", strconv.Itoa(i.BlueMajor)}, {"GITOVER_JOBS", strconv.Itoa(max(1, i.Jobs))},
		{"GITOVER_NEEDED", strconv.FormatInt(i.Needed, 10)},
		{"GITOVER_DETACH_SQL", query("detach")}, {"GITOVER_WHOLE_SQL", query("whole")}, {"GITOVER_MARK_SQL", query("mark")},
		{"GITOVER_UNNUMBER_SQL", query("unnumber")},
		{"GITOVER_COLLATIONS_SQL", query("collations")}, {"GITOVER_REORDER_SQL", query("reorder")},
		{"BLUE_PGHOST", i.Blue.Host}, {"BLUE_PGPORT", strconv.Itoa(i.Blue.Port)}, {"BLUE_PGUSER", i.Blue.User},
	}
	if i.Blue.SSLMode != "" {
		env = append(env, Variable{"BLUE_PGSSLMODE", i.Blue.SSLMode})
	}
	if len(i.Blue.CA) > 0 {
		env = append(env, Variable{"BLUE_CA", string(i.Blue.CA)})
	}
	return env, nil
}
