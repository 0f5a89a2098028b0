/* A guest that traps two calls deep. Its lines are named in lines_test.go. */
static volatile int zero;

__attribute__((noinline)) static int inner(int n) {
	for (int i = 0; i < n; i++) zero = 0;
	return n / zero;
}

__attribute__((noinline)) static int outer(int n) {
	zero = n;
	int got = inner(n);
	return got + zero;
}

__attribute__((export_name("run"))) void run(int n) {
	zero = outer(n) + 1;
}
