#include "textflag.h"

// The bytes of class that are not ordinary but NUL, sixteen times each.
DATA special<>+0(SB)/8, $0x2525252525252525 // %
DATA special<>+8(SB)/8, $0x2525252525252525
DATA special<>+16(SB)/8, $0x2626262626262626 // &
DATA special<>+24(SB)/8, $0x2626262626262626
DATA special<>+32(SB)/8, $0x3d3d3d3d3d3d3d3d // =
DATA special<>+40(SB)/8, $0x3d3d3d3d3d3d3d3d
DATA special<>+48(SB)/8, $0x5c5c5c5c5c5c5c5c // backslash
DATA special<>+56(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA special<>+64(SB)/8, $0x0d0d0d0d0d0d0d0d // CR
DATA special<>+72(SB)/8, $0x0d0d0d0d0d0d0d0d
DATA special<>+80(SB)/8, $0x0a0a0a0a0a0a0a0a // LF
DATA special<>+88(SB)/8, $0x0a0a0a0a0a0a0a0a
GLOBL special<>(SB), RODATA|NOPTR, $96

// MASK16 leaves a bit in out for each of the 16 bytes at off that is special.
#define MASK16(off, out) \
	MOVOU off(AX), X0 \
	PXOR X1, X1 \
	PCMPEQB X0, X1 \
	MOVOU X0, X2 \
	PCMPEQB X8, X2 \
	POR X2, X1 \
	MOVOU X0, X3 \
	PCMPEQB X9, X3 \
	POR X3, X1 \
	MOVOU X0, X4 \
	PCMPEQB X10, X4 \
	POR X4, X1 \
	MOVOU X0, X5 \
	PCMPEQB X11, X5 \
	POR X5, X1 \
	MOVOU X0, X6 \
	PCMPEQB X12, X6 \
	POR X6, X1 \
	PCMPEQB X13, X0 \
	POR X0, X1 \
	PMOVMSKB X1, out

// func mask64(text *[64]byte) uint64
// SSE2, which every amd64 has.
TEXT ·mask64(SB), NOSPLIT, $0-16
	MOVQ text+0(FP), AX
	MOVOU special<>+0(SB), X8
	MOVOU special<>+16(SB), X9
	MOVOU special<>+32(SB), X10
	MOVOU special<>+48(SB), X11
	MOVOU special<>+64(SB), X12
	MOVOU special<>+80(SB), X13
	MASK16(0, BX)
	MASK16(16, CX)
	MASK16(32, DX)
	MASK16(48, SI)
	SHLQ $16, CX
	ORQ CX, BX
	SHLQ $32, DX
	ORQ DX, BX
	SHLQ $48, SI
	ORQ SI, BX
	MOVQ BX, ret+8(FP)
	RET
