// A program with two libpythons: `two SCRIPT FIRST.so [SECOND.so]` loads both and runs the script in the first one.
// With "+" before SECOND.so that one is initialized too.
#include <cstdio>
#include <dlfcn.h>

namespace {

// Each sees its own symbols before those of the other.
void* load(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == nullptr) std::fprintf(stderr, "%s\n", dlerror());
  return library;
}

void initialize(void* library) {
  reinterpret_cast<void (*)(int)>(dlsym(library, "Py_InitializeEx"))(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  void* second = nullptr;
  if (argc > 3) {
    const bool both = argv[3][0] == '+';
    second = load(argv[3] + (both ? 1 : 0));
    if (second == nullptr) return 3;
    if (both) initialize(second);
  }
  void* first = load(argv[2]);
  if (first == nullptr) return 3;
  initialize(first);
  std::FILE* script = std::fopen(argv[1], "r");
  if (script == nullptr) return 4;
  return reinterpret_cast<int (*)(std::FILE*, const char*)>(dlsym(first, "PyRun_SimpleFile"))(script, argv[1]);
}
