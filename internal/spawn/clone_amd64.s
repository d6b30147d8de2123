#include "textflag.h"

#define SYS_exit_group 231
#define SYS_clone3 435

// The new process shares the stack with the thread that makes it, which goes on using it. So it
// never touches it: what it needs is in registers, and the kernel leaves all of them alone but AX, CX and R11.
//
// func clone(args *cloneArgs, calls *call, failed *uintptr) (result uintptr)
TEXT ·clone(SB), NOSPLIT, $0-32
	MOVQ args+0(FP), DI
	MOVQ $64, SI // size of cloneArgs
	MOVQ calls+8(FP), R12
	MOVQ failed+16(FP), R13
	MOVQ $SYS_clone3, AX
	SYSCALL
	TESTQ AX, AX
	JZ next
	MOVQ AX, result+24(FP)
	RET

next: // the new process
	MOVQ 0(R12), AX
	MOVQ 8(R12), DI
	MOVQ 16(R12), SI
	MOVQ 24(R12), DX
	MOVQ 32(R12), R10
	SYSCALL
	CMPQ AX, $-4095
	JCC fail // not below it, as unsigned numbers
	ADDQ $40, R12 // size of call
	JMP next

fail:
	MOVQ AX, 0(R13)
	MOVQ $127, DI
	MOVQ $SYS_exit_group, AX
	SYSCALL
	INT $3
