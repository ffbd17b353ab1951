// Compiles HLSL with Microsoft's compilers, as wgpu does: FXC from d3dcompiler_47.dll, DXC from dxcompiler.dll, both beside this program.
//   jobs on standard input, a line each:  PROFILE ENTRY PATH        such as  cs_6_0 main kernel.hlsl
//   answers on standard output:           ok BYTES MILLISECONDS PATH   or   error PATH, what is wrong, and a line "."
// Shader model 5 goes to FXC and any other to DXC.
#define COBJMACROS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

// A COM interface by its place in the table of functions; all that is needed of ID3DBlob, IDxcBlob and IDxcResult.
typedef struct Object { void **functions; } Object;
#define CALL(object, number, type, ...) (((type)(object)->functions[number])((object), ##__VA_ARGS__))
typedef void *(WINAPI *GetPointer)(Object *);
typedef SIZE_T (WINAPI *GetSize)(Object *);
typedef ULONG (WINAPI *Release)(Object *);
enum { FREE = 2, GET_POINTER = 3, GET_SIZE = 4 };

typedef HRESULT (WINAPI *D3DCompile)(const void *, SIZE_T, const char *, const void *, void *, const char *, const char *, UINT, UINT,
                                     Object **, Object **);
static const UINT STRICTNESS = 1 << 11;

typedef HRESULT (WINAPI *DxcCreateInstance)(const GUID *, const GUID *, Object **);
static const GUID COMPILER_CLASS = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID COMPILER_ID = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID RESULT_ID = {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};
static const GUID BLOB_ID = {0x8ba5fb08, 0x5195, 0x40e2, {0xac, 0x58, 0x0d, 0x98, 0x9c, 0x3a, 0x01, 0x02}};
typedef struct { const void *text; SIZE_T size; UINT encoding; } Source;
typedef HRESULT (WINAPI *Compile)(Object *, const Source *, const WCHAR **, UINT, void *, const GUID *, Object **);
typedef HRESULT (WINAPI *GetStatus)(Object *, HRESULT *);
typedef HRESULT (WINAPI *GetOutput)(Object *, int, const GUID *, Object **, Object **);
enum { COMPILE_SOURCE = 3, GET_STATUS = 3, GET_OUTPUT = 7, OUT_OBJECT = 1, OUT_ERRORS = 2, UTF8 = 65001 };

static D3DCompile d3d_compile;
static Object *dxc;

static char *read_file(const char *path, SIZE_T *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    *size = fread(text, 1, *size, file);
    text[*size] = 0;
    fclose(file);
    return text;
}

static HRESULT by_fxc(const char *text, SIZE_T size, const char *entry, const char *profile, Object **code, Object **errors) {
    return d3d_compile(text, size, NULL, NULL, NULL, entry, profile, STRICTNESS, 0, code, errors);
}

static HRESULT by_dxc(const char *text, SIZE_T size, const char *entry, const char *profile, Object **code, Object **errors) {
    WCHAR wide_entry[256], wide_profile[16];
    MultiByteToWideChar(CP_UTF8, 0, entry, -1, wide_entry, 256);
    MultiByteToWideChar(CP_UTF8, 0, profile, -1, wide_profile, 16);
    // As `compile_dxc` of wgpu-hal.
    const WCHAR *arguments[] = {L"-E", wide_entry, L"-T", wide_profile, L"-HV", L"2018", L"-no-warnings", L"-Ges",
                                L"-enable-16bit-types"};
    UINT count = strcmp(profile, "cs_6_2") < 0 ? 8 : 9;
    Source source = {text, size, UTF8};
    Object *result = NULL;
    HRESULT called = CALL(dxc, COMPILE_SOURCE, Compile, &source, arguments, count, NULL, &RESULT_ID, &result);
    if (FAILED(called)) return called;
    HRESULT status = E_FAIL;
    CALL(result, GET_STATUS, GetStatus, &status);
    CALL(result, GET_OUTPUT, GetOutput, OUT_ERRORS, &BLOB_ID, errors, NULL);
    if (SUCCEEDED(status)) CALL(result, GET_OUTPUT, GetOutput, OUT_OBJECT, &BLOB_ID, code, NULL);
    CALL(result, FREE, Release);
    return status;
}

static void compile(const char *profile, const char *entry, const char *path) {
    SIZE_T size;
    char *text = read_file(path, &size);
    if (!text) {
        printf("error %s\nno such file\n.\n", path);
        return;
    }
    Object *code = NULL, *errors = NULL;
    DWORD start = GetTickCount();
    HRESULT status = (strncmp(profile, "cs_5", 4) ? by_dxc : by_fxc)(text, size, entry, profile, &code, &errors);
    DWORD took = GetTickCount() - start;
    if (SUCCEEDED(status) && code) {
        printf("ok %lu %lu %s\n", (unsigned long)CALL(code, GET_SIZE, GetSize), (unsigned long)took, path);
    } else {
        int length = errors ? (int)CALL(errors, GET_SIZE, GetSize) : 0;
        printf("error %s\n%08lx %.*s\n.\n", path, (unsigned long)status, length, length ? (char *)CALL(errors, GET_POINTER, GetPointer) : "");
    }
    fflush(stdout);
    if (code) CALL(code, FREE, Release);
    if (errors) CALL(errors, FREE, Release);
    free(text);
}

int main(void) {
    HMODULE fxc_library = LoadLibraryA("d3dcompiler_47.dll"), dxc_library = LoadLibraryA("dxcompiler.dll");
    if (!fxc_library || !dxc_library) {
        fprintf(stderr, "d3dcompiler_47.dll and dxcompiler.dll have to be beside this program\n");
        return 2;
    }
    d3d_compile = (D3DCompile)(void *)GetProcAddress(fxc_library, "D3DCompile");
    DxcCreateInstance create = (DxcCreateInstance)(void *)GetProcAddress(dxc_library, "DxcCreateInstance");
    if (!d3d_compile || !create || FAILED(create(&COMPILER_CLASS, &COMPILER_ID, &dxc))) {
        fprintf(stderr, "the libraries are other ones\n");
        return 2;
    }
    char line[4096], profile[16], entry[256], path[3072];
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%15s %255s %3071[^\r\n]", profile, entry, path) == 3) compile(profile, entry, path);
    }
    return 0;
}
