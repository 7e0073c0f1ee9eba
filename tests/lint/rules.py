"""What one file has to keep to. A rule yields (line, sentence) for each breach."""

import re
from pathlib import Path

from source import Source, constructors, functions

MAX_LINES, MAX_COLUMNS, MAX_FUNCTION, MAX_PARAMETERS = 500, 100, 70, 7
CODE = {".h", ".cc", ".py", ".sh", ".cmake", ".js", ".go", ".java", ".rs"}
PRODUCT = ("src", "apps")
REAL_WORLD = "src/env/posix"

RULES = {}


def rule(function):
    """Registers a rule under its name: max_lines is `max-lines`."""
    RULES[function.__name__.replace("_", "-")] = function
    return function


RECORDED = {"recorded", "testdata"}  # data, and the programs that asked Apache for it


def is_code(source: Source) -> bool:
    if RECORDED & set(source.path.parts):
        return False
    return source.path.suffix in CODE or source.path.name in ("dev", "run", "CMakeLists.txt")


def matches(pattern: str, text: str):
    """(line, match) of each place of a pattern."""
    for found in re.finditer(pattern, text):
        yield text.count("\n", 0, found.start()) + 1, found


@rule
def max_lines(source):
    if is_code(source) and len(source.lines) > MAX_LINES:
        yield len(source.lines), f"{len(source.lines)} lines, at most {MAX_LINES}: split it by job"


@rule
def max_columns(source):
    if is_code(source):
        for number, line in enumerate(source.lines, 1):
            if len(line) > MAX_COLUMNS:
                yield number, f"{len(line)} columns, at most {MAX_COLUMNS}"


@rule
def max_function(source):
    if source.is_cpp:
        for one in functions(source.code):
            if one.length > MAX_FUNCTION:
                yield one.line, f"{one.name} has {one.length} lines, at most {MAX_FUNCTION}"


@rule
def max_parameters(source):
    if source.is_cpp:
        for name, line, count in constructors(source.code):
            if count > MAX_PARAMETERS:
                yield line, f"{name} is made from {count} things, at most {MAX_PARAMETERS}"


VAGUE = "Manager|Utils?|Helpers?|Impl|Service|Context"


@rule
def clear_names(source):
    if not source.is_cpp:
        return
    for line, found in matches(
            rf"\b(?:class|struct|enum|concept|using|namespace)\s+(\w*(?:{VAGUE}))\b(?!::)",
            source.code):
        yield line, f"{found[1]}: a name that ends so tells of no clear job"
    words = "_" + source.path.stem.removesuffix("_test")
    if re.search(rf"_(?:{VAGUE})$", words, re.IGNORECASE):
        yield 1, f"{source.path.name}: a name that ends so tells of no clear job"


@rule
def pragma_once(source):
    if source.path.suffix == ".h" and not re.match(r"\s*#pragma once\n", source.code):
        yield 1, "a header begins with #pragma once"


@rule
def own_header_first(source):
    """So that each header is compiled with nothing in front of it."""
    stem = source.path.stem
    if source.path.suffix != ".cc" or stem + ".h" not in source.siblings:
        return
    first = re.search(r'^#include [<"]([^">]+)', source.text, re.MULTILINE)
    if not first or Path(first[1]).name != stem + ".h":
        yield 1, f"the first include is {stem}.h, so that it is seen to need nothing else"


@rule
def todo_with_reason(source):
    if not is_code(source) or source.below("tests/lint"):
        return
    for line, found in matches(r"\b(TODO|FIXME|XXX)\b(.*)", source.text):
        if found[1] != "TODO" or not re.search(r"\b(because|until|once|when)\b", found[2]):
            yield line, "a TODO says why it is left: because, until, once or when"


CLOCKS = r"\b(?:system_clock|steady_clock|high_resolution_clock|utc_clock)\b"
STD = (r"\bstd::(?:jthread|thread|this_thread|async|mutex|shared_mutex|recursive_mutex"
       r"|timed_mutex|condition_variable\w*|lock_guard|unique_lock|scoped_lock|shared_lock"
       r"|counting_semaphore|binary_semaphore|latch|barrier|call_once|random_device|mt19937\w*"
       r"|default_random_engine|chrono::\w+_clock)\b")
ALONE = ("time gettimeofday clock_gettime localtime gmtime localtime_r gmtime_r rand srand"
         " getrandom usleep nanosleep sleep socket accept4 pread pwrite preadv pwritev preadv2"
         " pwritev2 fsync fdatasync sendfile epoll_\\w+ pthread_\\w+ fork fopen").split()
# Words that methods have too: the system's are those behind a bare `::`.
QUALIFIED = ("bind listen accept connect open openat close read write poll select unlink"
             " rename").split()
CALL = (rf"(?<![\w.>:\]])(?:::|std::)?(?:{'|'.join(ALONE)})\("
        rf"|(?<![\w>])::(?:{'|'.join(QUALIFIED)})\(")
DECLARED = r"[\w>&*]\s+[&*]?$"
HEADERS = (r"^#include <(?:thread|mutex|shared_mutex|condition_variable|future|random|ctime|time\.h"
           r"|fstream|filesystem|csignal|signal\.h|unistd\.h|fcntl\.h|poll\.h|dirent\.h|semaphore"
           r"|sys/\w+\.h|netinet/\w+\.h|arpa/\w+\.h|netdb\.h|boost/asio(?!/buffer\.hpp)[\w/.]*)>")
@rule
def outside_world(source):
    """Time, threads, randomness, files and sockets come from env, or the simulator misses them."""
    if not source.is_cpp or not source.below("src") and not source.below("apps"):
        return
    if source.below(REAL_WORLD):
        return
    for pattern in (CLOCKS, STD):
        for line, found in matches(pattern, source.code):
            yield line, f"{found[0]} is the real world: take it from env"
    for line, found in matches(CALL, source.code):
        before = source.code[:found.start()].rsplit("\n", 1)[-1]
        if not re.search(DECLARED, before) or re.search(r"\breturn\s*$", before):
            yield line, f"{found[0]}…) is the real world: take it from env"
    if source.is_test:  # its tables and folders are files
        return
    for number, line in enumerate(source.lines, 1):
        found = re.match(HEADERS, line)
        if found:
            yield number, f"{found[0]} is the real world: take it from env"


@rule
def nothing_detached(source):
    if source.is_cpp:
        for line, _ in matches(r"(?:\.|->)detach\(|\bboost::asio::detached\b", source.code):
            yield line, "a Scope owns what runs: nothing is detached"


@rule
def unordered_iteration(source):
    """What a loop over a hash table writes differs from run to run."""
    if not source.is_cpp or not any(source.below(part) for part in PRODUCT):
        return
    declared = source.code + (source.header.code if source.header else "")
    names = {found[1] for _, found in matches(
        r"\bunordered_\w+<(?:[^;{}()]|\([^;{}()]*\))*>\s*&?\s*(\w+)\s*(?=[;={,)])", declared)}
    for name in sorted(names):
        loop = rf"for \([^;()]*:\s*(?:[\w.>-]+(?:\.|->))?{name}\)|\b{name}(?:\.|->)c?begin\("
        for line, _ in matches(loop, source.code):
            yield line, f"{name} has no order: sort what comes out, or keep it in order"


PATHS = r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/[\w.]"
HOSTS = (r"https?://(?:[\w.-]+\.(?:internal|local|lan|corp|intra)\b|(?:10|192\.168|172\.\d+)\.\d+"
         r"|[\w-]*(?:artifactory|nexus|registry|mirror)[\w-]*\.(?!npmjs|crates))")


@rule
def no_machine(source):
    """The project names no machine that it was written on."""
    if source.below("tests/lint"):
        return
    for pattern, what in ((PATHS, "a path of one machine"), (HOSTS, "a host of one network")):
        for line, found in matches(pattern, source.text):
            yield line, f"{found[0]}: {what}"
