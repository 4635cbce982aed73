"""Languages that have three letters: the registry of BCP 47 and the individual codes of ISO 639-3, as of 2026-07.

Those that have two letters are not in it, since a tag is written with these. Each word is two letters and every third
one that follows them.
"""

from __future__ import annotations

_CODES = """
    aaabcdefghiklmnopqstuvwxyz ababcdefghijlmnopqrstuvwxyz acabcdefhiklmnpqrstuvwxyz adabdefghijlnopqrstuwxyz
    aeabcdeklmnqrsuwxyz afabdeghiknopstuz agabcdefghijklmnopqrstuvwxyz ahabeghiklmnoprst aiabcdefghijklmnopqrstwxyz
    ajaginpstuwz akbcdefghijklmnopqrstuvwxyz alacdefghijklmnopqrstuvwxyz amabcdefgijklmnopqrstuvwxyz
    anabcdefghijklmnopqrstuvwxyz aoabcdefghijklmnrstuxz apabcdefghijklmnopqrstuvwxyz aqacdgklmnprtz
    arbcdefhijklnopqrstuvwxyz asabcdefghijklnopqrstuvwxyz atabcdefghijklmnopqrstuvwxyz auabcdefghijklmnopqrstuvwxyz
    avbdiklmnostuv awabcdeghikmnorstuvwxy axbegklmx ayabcdeghiklnopqrstuxyz azabcdgjmnortz baabcdefghijlnoprstuvwxyz
    bbabcdefghijklmnopqrstuvwxyz bcabcdefghijklmnopqrstuvwxyz bdabcdefghijklmnopqrstuvwxyz
    beabcdefghijkmopqrstuvwxyz bfabcdefghijklmnopqrstuwxyz bgabcdefghijklmnopqrstuvwxyz bhabcdefghijklmnopqrstuvwxyz
    biabcdefgijklmnopqrtuvwxyz bjabcdefghijklmnopqrstuvwxyz bkabcdefghijklmnopqrstuvwxyz
    blabcdefghijklmnopqrstuvwxyz bmabcdefghijklmnopqrstuvwxyz bnabcdefghijklmnopqrstuvwxyz
    boabcefghijklmnopqrtuvwxyz bpabcdeghijklmnopqrstuvwxyz bqabcdefghijklmnopqrstuvwxyz brabcdfghijklmnopqrstuvwxyz
    bsabcdefghijklmnopqrstuvwxyz btabcdefghijklmnopqrstuvwxyz buabcdefghijkmnopqstuvwxyz
    bvabcdefghijklmnopqrstuvwxyz bwabcdefghijklmnopqrstuvwxyz bxabcdefghijklmnopqrstuvwxz
    byabcdefghijklmnopqrstuvwxyz bzabcdefghijklmnopqrstuvwxyz caabcdefghijklmnopqrsuvwxyz cbabcdeghijklmnoqrstuvwy
    ccacdeghjlmnopqrsxy cdacdefghijmnorsyz ceabgklnty cfadgm cgacgk chbcdfghjklmnopqrstwxyz ciabcdehkmnprtwy
    cjaehikmnoprsvy ckabcdefhijklmnoqrstuvwxyz clacdehijklmostuwy cmacegiklmnorst cnabcghiklmopqrstuwx
    coabcdefghjklmnopqtuvwxyz cpabcefginopsuxy cqdu crabcdfghijklmnopqrstuvwxyz csabcdefghijklmnopqrstuvwxyz
    ctacdeghilmnopstuyz cuabcghijklmnopqrstuvwxy cvgn cwabdegt cxh cyabo czhknot daacdefghijklmopqrstuvwxyz
    dbabdefgijlmnopqrtuvwy dccr ddadegijnorsw decdefghiklmnpqrsvz dgabcdeghiklnorstuwxz dhadgilmnorsuvwx
    diabcdfghijklmnopqrstuwxyz djabcdefijklmnoruw dkagklrsx dlgkmn dmabcdefgklmnorsuvwxy dnadegijknortuvwy
    doabcefhiklnopqrstvwxyz dpp drabcdeghilnoqrstuwy dsbehiklnoqz dtabdhikmnoprstuy duabcdefghijklmnopqrsuvwxyz dva
    dwaklrsuwyz dyabdgiklmnoruy dzadegln eaa ebcgkoru ecrsy eee efaei egalmoxy ehsu eiptv eja ekacegiklmopry
    elehikmopux emabegiklmnopqsuwxyz enabcdfhilmnoqruvwx eot epi eraghikorstw eseghiklmnoqsuxy etbchnorstuxz eudqr
    evehn ewo ext eyao ezae faabdfghijklmnprtuxyz fbl fcs fer ffim fgr fiaeflprtuwz fkkv flahilmnry fmpu fnbgi
    fodimnrsx fpe fqs frcdikmopqrst fsels fubcdefhijmnqrtuvy fvr fwae gaabcdefghijklmnopqrstuvwxyz
    gbabcdefghijklmnopqrsuvwxyz gccdeflnrt gdabcdefghijklmnoqrstux geabcdfghijklmnqsvwxyz gfktx ggabdeghklmnortuw
    ghacehklnorst giabcdeghilmnopqrstuwxyz gjikmnru gkadenopu glbcdhijkloruwy gmabdeghlmnoqruvwxyz
    gnabcdeghijklmnoqrtuwz goabcdefghijklmnopqrstuvwxyz gpaen gqainru grabcdghijkmoqrstuvwxyz gsceglmnopsw gtaiu
    guabcdefghiklmnopqrstuvwxz gvacefjlmnoprsy gwabcdefgijmnrtuwx gxx gyabdefgilmnoryz gzain
    haabcdefghijklmnopqrsvwxyz hbabnou hcah hdnsy headghim hgmw hhiry hiabdfghijklmortwx hji hkaehkns hlabdetu
    hmabcdefghijklmnpqrstuvwxyz hnadeghijmnosu hoabcdehijklmoprstvwyz hpos hracekmoprtuwxz hsbfhlns htiosux
    hubcdefghijklmopqrstuvwxyz hvaceknv hwaco hyawx iainpr ibabdeghilmnruy icahlr idabcdeirstu ifabefkmuy
    igbeglmnosw ihbipw iinr ijcejnos ikehikloprstvwxz ilabgiklmopsuvw imaeilnorsty inbceghjlmnopstz ioruw ipio iquw
    iraehiknoruxy isacdeghikmnortuv itbcdeiklmorstuvwxyz ium ivbv iwkmos ixcijl iyaox izhimrz
    jaabcdefhijklmnopqrstuxyz jbeijkmnortuw jcst jdagt jebeghiklnrtu jgbeko jhis jiabcdeghilmoqtuvy jjer jkamoprsu
    jles jmabcdilnrswx jnadgijls jobdgrsw jparx jqr jrabrtu jsl juabcdhiklmnoprstuwy jvdn jwi jyaey
    kaabcdefghijkmopqrvwxy kbabcdefghijklmnopqrstuvwxyz kcabcdefghijklmnopqrstuvwxyz kdacdefghijklmnopqrstuvwxyz
    keabcdefghijklmnopqrstuvwxyz kfabcdefghijklmnopqrstuvwxyz kgabcdefghijklmnopqrstuvwxy
    khabcdefghijklnopqrstuvwxyz kiabcdefghijlmopqstuvwxyz kjabcdefghijklmnopqrstuvxyz kkabcdefghijklmnopqrstuvwxyz
    klabcdefghijklmnopqrstuvwxyz kmabcdefghijklmnopqrstuvwxyz knabcdefghijklmnopqrstuvwxyz koabcdefghijklopqstuvwxyz
    kpabcdefghijklmnopqrstuvwxyz kqabcdefghijklmnopqrstuvwxyz krabcdefghijklmnopqrstuvwxyz
    ksabcdefghijklmnopqrstuvwxyz ktabcdefghijklmnopqrstuvwxyz kubcdefghijklmnopqstuvwxyz
    kvabcdefghijklmnopqrstuvwxyz kwabcdefghijklmnopqrstuvwxyz kxabcdefghijklmnopqrstuvwxyz
    kyabcdefghijklmnopqrstuvwxyz kzabcdefghijklmnopqrstuvwxyz laabcdefghijklmnpqrsuwxyz lbabcefgijklmnoqrstuvwxyz
    lccdefhlmpqs ldabdghijklmnopq leabcdefghijklmnopqrstuvwxyz lfabn lgabghiklmnoqrstuz lhahilmnpstu
    liabcdefghijklopqrsuvwxyz ljaeilpwx lkabcdehijlmnorstuy llabcdefghijklmnopqsux lmabcdefghijklmnopqrstuvwxyz
    lnabcdghijlmnostuwz loabcdefghijklmnopqrstuvwxyz lpaenox lqr lracegiklmnortvz lsabcdeghilmnoprstvwy ltcghinosu
    luacdefhijklmnopqrstuvwyz lvaiklsu lwaeghlmostuw lxm lyagn lzhlnz maabdefgijkmnpqstuvwxz
    mbabcdefghijklmnopqrstuvwxyz mcabcdefghijklmnopqrstuvwxyz mdabcdefghijklmnopqrstuvwxyz
    meabcdefghijklmnopqrstuvwyz mfabcdefghijklmnopqrstuvwxyz mgabcdefghijklmnopqrstuvwxyz
    mhabcdefghijklmnopqrstuvwxyz miabcdefghijklmnopqrstuvwxyz mjabcdeghijklmnopqrstuvwxyz
    mkabcefghijklmnopqrstuvwxyz mlabcdefhijklmnopqrsuvwxyz mmabcdefghijklmnopqrstuvwxyz mnabcdefghijklmnopqrstuvwxyz
    moabcdefghijklmopqrstuvwxyz mpabcdefghijklmnopqrstuvwxyz mqabcdefghijklmnopqrstuvwxyz
    mrabcdefghjklmnopqrstuvwxyz msbcdefghijklmnopqrstuvwxyz mtabcdefghijklmnopqrstuvwxyz muabcdeghijklmnopqrstuvwxyz
    mvabcdefghijklmnopqrstuvwxyz mwabcdefghijklmnopqrstuvwxyz mxabcdefghijklmnopqrstuvwxyz
    mybcdefghijklmnopqrstuvwxyz mzabcdefghijklmnopqrstuvwxyz naabcdefghijklmnopqrstwxyz nbabcdefghijkmnopqrstuvwxy
    ncabcdefghijklmnopqrstuxz ndabcdfghijklmnpqrstuvwxyz neabcdefghijkmnoqrstuvwxyz nfadgklru
    ngabcdefghijklmnopqrstuvwxyz nhabcdefghijkmnopqrstuvwxyz niabcdefghijklmnoqrstuvwxyz njabdhijlmnorstuxyz
    nkabcdefghijkmnopqrstuvwxyz nlacegijklmnoqruvwxyz nmabcdefghijklmnopqrstuvwxyz nnabcdefghijklmnpqrstuvwxyz
    noacdefghijklmnopqstuvwyz npabghilnosuxy nqgklmnoqty nrabcefgiklmnprtuxz nsabcdefghiklmnopqrstuvwxyz
    ntdegijkmoprsuwxyz nuabcdefghijklmnopqrstuvwxyz nvhmo nwabcegimorwxy nxadegijklmnoqrux
    nybcdefghijklmnopqrstuvwxy nzabdikmrsuyz oaackrv obiklmortu ocachmou odaktu ofosu ogbcegnou ohtu oiaen ojbcgpsvw
    okabcdeghijklmnorsuvxz olabdekmortu omabcegiklnopqrtuvwxy onabegijknoprstuwx oodgnrs opaekmoty
    oraceghknorstuvwxyz osacdinoptux otabdeiklmnoqrstuwxyz ouabeimn ovd owil oybdmy ozm paabcdefghijklmopqrstuvwxyz
    pbbcefghilmnoprstuvyz pcabcdefghijklmnprw pdacinotu peabcdefghijklmnopqsvxyz pfael pgadgiklnsuyz
    phadghijklmnoqrtuvw piabcdefghijlmnoprstuvwxyz pjt pkabcghnoprstu plabcdefghjklmnopqrstuvwyz
    pmabcdefhijklmnoqrstuwxyz pnabcdeghijklmnopqrstuvwxyz poabcdefghijkmnopqstuvwxyz ppaeiklmnopqrstuv pqaemw
    prabcdefghiklmnopqrstuvwxyz psacdeghilmnopqrstuwy ptahinopqrtuvwy puabcdefgijkmnopqrtuwxyz pwabgimnorw pxm
    pyemnsuxy pzehn quabcdfghijklmnpqrstuvwxyz qvacehijlmnopswyz qwacehmst qxachilnopqrstuw qyap
    raabcdefghijklmnopqrstuvwxyz rbbklp rcf rdb reabegijlmnrsty rgaeknrsu rhgp riabeflmnrtu rjbgis rkabhimtw
    rmabcdefghiklmnopqrstuvwxyz rnabdglnprw roabcdefglmopruw rpnt rrimot rsbiklmnw rtchmsw rubcefghikopqtuyz
    rwaklmors rxdw rynsu rzh saabcdefhijklmopqrstuvwxyz sbabcdefghijklmnopqrstuvwxyz scabcefghiklnopqrstuvwxz
    sdabcdefghijklmnopqrstuvxz seabcdefghijklmnopqrstuvwyz sfbemsw sgabcdeghijklmnoprstuwxyz
    shabcdeghijklmnopqrstuvwxyz siabcdefghijklmopqrstuvwxyz sjabcdegklmnoprstuw skabcdefghijklmnopqrstuvwxyz
    slabcdefghijlmnpqrstuwxyz smabcdfghijklmnpqrstuvwxyz snbcefghijklmnopqrsuvwxyz soabcdeghijklnopqrsuvwxyz
    spbcdegiklmnopqrstuvxy sqahjkmnoqrstux srabcefghijklmnoqrstuvwxyz ssabcdefghijklmnopqrstuvxyz
    stabcdefghijklmnopqrstuvwy suabcefghijklmoqrstuvwxyz svabcekmrsx swbcfghijklmnopqrstuvwxy sxbcegklmnorsuw
    syabcdiklmnorswxy szabcdegklnpsvwy taabcdefgijklnopqrsuvwxyz tbabcdefghijklmnopqrstuvwxyz
    tcabcdefghiklmnopqstuwxyz tdabcdefghijklmnoqrstuvxy teabcdefghikmnopqrstuvwxyz tfinort tgabcdefghijnopqrstuvwxyz
    thcdefhiklmnpqrstuvwxyz tiacdefghijklmnopqstuvwxyz tjagijlmnopsuw tkabdefgklmnpqrstuvwxz
    tlabcdefghijklmnopqrstuvwxyz tmabcdefghijklmnopqrstuvwxyz tnabcdefghijklmnopqrstuvwxyz
    tobcdefghijklmopqrstuvwxyz tpacefgijklmnopqrtuvwxyz tqblmnopqrtuw trabcdefghijklmnopqrstuvwxyz
    tsabcdefghijklmpqrstuvwxyz ttabcdefghijklmnopqrstuvwxyz tuabcdefghijlmnopqstuvwxyz tvadegiklmnostuwxy
    twabcdefghlmnopqrtuwxy txabceghijmnoqrstuxy tyaehijlnprstuvxyz tzabcehjlmnostuxz uamnr ubailmruy udaegijlmu ues
    ufi ugabehnoy uhan uisv uji ukaghiklpqsuvwy ulabcefiklmnuwy umabcdgimnoprsu unadegikmnpruxz uokn upiv
    urabcefghijklmnoprtuvwxyz usahikpsu utaehpru uumnru uvehl uwa uya uzns vaaefghijlmnoprsuvy vbbk vecdlmopr vgrt
    vicdfglnstv vjk vkaijklmnoptuyz vlprs vmabcdefghijklmopqrsuvwxyz vnkmp vort vraost vsilnv vto vumnt vwa
    waabcdefghijklmnopqrstuvwxyz wbabefhijklmpqrstvw wcai wddgjktuy weacdghimnoprstuw wfg wgabgiouwy whagku
    wibcefghijklmnrtuvwy wjai wkabdlruwy wlaceghiklmorsuvwxy wmabcdeghimnostwx wnbcdegikmnopuwy woabcdefgikmnorswy
    wpc wrabdeghiklmnoprsuvwxyz wsagikrsuv wtbfhikmw wuabdhlmnrtuvxy wwaborw wxaw wyabimnry
    xaabcdeghijklmnopqrstuvwy xbabcdegijmnoprwxy xcbceghlmnortuvwy xdackmoqy xebdglmprstu xfa xgabdfgilmnruw
    xhacdemrtuv xiabilnprsvy xjbt xkabcdefghijklmnopqrstuvwxyz xlabcdeginopsuy xmabcdefghijklmnopqrstuvwxyz
    xnabdghijkmnoqrstuyz xocdgikmnoprw xpabcdefghijklmnopqrstuvwxyz xqat xrabdegimnqrtuw xsabcdehijklmnopqrstuvy
    xtabcdeghijlmnopqrstuvwyz xuabdfgjlmnoprtu xveinos xwacdegjklortw xxbkmrt xyabjklty xzhmp
    yaabcdefghijklmnopqrstuvwxyz ybabdehijklmnoxy ychlnpr ydadegks yeaceijlnrstuvy ygailmprsuw yhadls
    yiabfghijklmnopqrstuvxyz ykaghiklmnortuy ylabegilmnoruy ymabcdeghijklmnopqrstxz ynabdeghklnoqsu yobgiklmnstxy
    ypabghklmnopwz yrabeiklmnoswy yscdglmnoprsy ytalpwy yuabcdefgijklmnpqrstuwxyz yvat ywaglmnqrtuw yxaglmuy yymruz
    yzgk zaabcdefghijklmopqrstuvwxyz zbaceltuw zcadh zdj zeaghmn zgabhmnr zhbdiknwx ziabklmnrwz zkabdghknoprtuvz
    zlaejmnqsuw zmabcdefghijklmnopqrstuvwxyz znadegks zochmoqrs zpabcdefghijklmnopqrstuvwxyz zqe zragnops zsaklmru
    ztceglmnpqstuxy zuahmny zwa zxx zybgjnp zzaj
"""
THREE_LETTERS = frozenset(word[:2] + third for word in _CODES.split() for third in word[2:])
"""Private ones (`qaa` to `qtz`) are not among them."""
