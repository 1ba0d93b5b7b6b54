/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Panics: what happened, the registers, whose turn it was, and how it came to
 * this, by name.
 *
 * The core has no frame pointers (they would cost instructions in every
 * function of the fast paths). The stack is scanned instead: a word is taken
 * for a return address if it points into the text, behind a call instruction.
 * That may show a function too many, from an older use of the stack, but never
 * one too few.
 */
#include "entry/trap.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "sched/plan.h"
#include "lib/string.h"
#include "cpu/asm.h"

struct symbol {
	u32 address; /* - core_start */
	u32 name;
};

/* The second link fills them in: lib/symbols.py */
extern const u32 symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];
extern const char core_start[], entry_text[], text_end[];

#define BACKTRACE_MAX 24

/* Three characters and a space for each vector. */
static const char exception_names[] =
	"#DE #DB NMI #BP #OF #BR #UD #NM #DF 9   #TS #NP #SS #GP #PF 15  #MF #AC #MC #XM ";

static const struct symbol *symbol_find(u64 address) {
	u64 distance = address - (u64)core_start;
	const struct symbol *found = NULL;

	for (u32 i = 0; i < symbol_count && symbol_table[i].address <= distance; i++)
		found = &symbol_table[i];
	return found;
}

static bool is_text(u64 address) { return address >= (u64)entry_text && address < (u64)text_end; }

static void print_address(u64 address) {
	const struct symbol *symbol = is_text(address) ? symbol_find(address) : NULL;

	if (symbol)
		printf("  %016lx %s+0x%lx\n", address, symbol_names + symbol->name,
		       address - (u64)core_start - symbol->address);
	else
		printf("  %016lx\n", address);
}

/* Is the instruction before this address a call? e8 rel32, or ff /2 with a short operand. */
static bool follows_call(u64 address) {
	const u8 *p = (const u8 *)address;

	return p[-5] == 0xe8 || (p[-2] == 0xff && (p[-1] & 0x38) == 0x10) ||
	       (p[-3] == 0xff && (p[-2] & 0x38) == 0x10) ||
	       (p[-6] == 0xff && (p[-5] & 0x38) == 0x10) ||
	       (p[-7] == 0xff && (p[-6] & 0x38) == 0x10);
}

/* The stack that holds sp: a CPU's, as far as its page goes, or the one of the boot. */
static void backtrace(u64 sp) {
	u64 end = ROUND_UP(sp + 1, PAGE_SIZE);
	u64 offset = sp & (CPU_AREA_SIZE - 1);
	unsigned shown = 0;

	if (sp >= CPU_AREAS && sp < CORE_BASE && offset >= CPU_AREA_STACK &&
	    offset < CPU_AREA_STACK_TOP)
		end = ROUND_DOWN(sp, (u64)CPU_AREA_SIZE) + CPU_AREA_STACK_TOP;
	printf("backtrace:\n");
	for (sp = ROUND_UP(sp, 8UL); sp < end && shown < BACKTRACE_MAX; sp += 8) {
		u64 word = *(const u64 *)sp;

		if (is_text(word) && follows_call(word)) {
			print_address(word);
			shown++;
		}
	}
}

static void print_regs(const struct regs *r) {
	printf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	printf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", r->rsi, r->rdi, r->rbp, r->rsp);
	printf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", r->r8, r->r9, r->r10, r->r11);
	printf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", r->r12, r->r13, r->r14, r->r15);
	printf("cs %lx ss %lx rflags %lx cr2 %lx cr3 %lx\n", r->cs, r->ss, r->rflags, read_cr2(),
	       read_cr3());
	printf("at:\n");
	print_address(r->rip);
}

static void print_current(void) {
	u64 sp = (u64)__builtin_frame_address(0);
	const struct vcpu *v;

	if (sp < CPU_AREAS || sp >= CORE_BASE) return; /* still on the boot's stack */
	v = current_vcpu();
	if (!v || !v->domain) {
		printf("cpu %u, no domain\n", this_cpu()->id);
		return;
	}
	printf("cpu %u, domain %u (%s), vcpu %u, %s at %lx, rax %lx\n", this_cpu()->id,
	       v->domain->id, v->domain->name, v->id, v->kernel_mode ? "kernel" : "user",
	       v->regs.rip, v->regs.rax);
}

/* A panic within a panic stops at once; the other CPUs when they hear of it. */
bool panicking;

static void enter_panic(void) {
	__asm__ volatile("cli");
	if (atomic_swap(&panicking, true)) cpu_stop();
	log_panic();
	for (u32 i = 0; i < cpu_count && cpu_count > 1; i++) cpu_kick(cpu_by_id(i));
}

static void say(const char *what, const char *format, va_list args) {
	printf("%s", what);
	vprintf(format, args);
	printf("\n");
}

void panic(const char *format, ...) {
	va_list args;

	enter_panic();
	va_start(args, format);
	say("\nPANIC of the core: ", format, args);
	print_current();
	backtrace((u64)__builtin_frame_address(0));
	cpu_stop();
}

void boot_refuse(const char *format, ...) {
	va_list args;

	va_start(args, format);
	say("core: cannot start: ", format, args);
	cpu_stop();
}

void core_exception(struct regs *r) {
	char name[4] = "?";

	enter_panic();
	if (r->vector < sizeof(exception_names) / 4)
		memcpy(name, exception_names + 4 * r->vector, 3);
	printf("\nPANIC of the core: exception %u (%s), error %x\n", r->vector, name,
	       r->error_code);
	print_current();
	print_regs(r);
	backtrace(r->rsp);
	cpu_stop();
}
