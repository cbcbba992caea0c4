// An element of the table in CWebFiles.c: the file that the macro FILE names. Its path in the table begins after "../Web/".
    {&FILE[7], (const unsigned char[]) {
#embed FILE suffix(, 0)
    }},
#undef FILE
