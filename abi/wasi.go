package abi

import "strings"

// wasiSignatures holds WASI preview 1's functions, one a line: name, then a
// letter per parameter, i for i32 and l for i64. All return an i32 errno but
// proc_exit, which returns nothing.
const wasiSignatures = `
args_get ii
args_sizes_get ii
environ_get ii
environ_sizes_get ii
clock_res_get ii
clock_time_get ili
fd_advise illi
fd_allocate ill
fd_close i
fd_datasync i
fd_fdstat_get ii
fd_fdstat_set_flags ii
fd_fdstat_set_rights ill
fd_filestat_get ii
fd_filestat_set_size il
fd_filestat_set_times illi
fd_pread iiili
fd_prestat_get ii
fd_prestat_dir_name iii
fd_pwrite iiili
fd_read iiii
fd_readdir iiili
fd_renumber ii
fd_seek ilii
fd_sync i
fd_tell ii
fd_write iiii
path_create_directory iii
path_filestat_get iiiii
path_filestat_set_times iiiilli
path_link iiiiiii
path_open iiiiillii
path_readlink iiiiii
path_remove_directory iii
path_rename iiiiii
path_symlink iiiii
path_unlink_file iii
poll_oneoff iiii
proc_exit i
proc_raise i
sched_yield 
random_get ii
sock_accept iii
sock_recv iiiiii
sock_send iiiii
sock_shutdown ii
`

// WASIFunctions lists the functions of WASI preview 1 that link. Clocks,
// randomness, sleep, polling of handles and writing to stdout and stderr
// work; there is nothing behind the rest.
func WASIFunctions() []Func {
	var all []Func
	for line := range strings.Lines(wasiSignatures) {
		name, letters, ok := strings.Cut(strings.TrimRight(line, "\n"), " ")
		if !ok {
			continue
		}
		f := Func{Module: ModuleWASI, Name: name, Results: []ValType{I32}}
		if name == "proc_exit" {
			f.Results = nil
		}
		for _, c := range letters {
			if c == 'l' {
				f.Params = append(f.Params, I64)
			} else {
				f.Params = append(f.Params, I32)
			}
		}
		all = append(all, f)
	}
	return all
}
